#include "tuner/statistics.hpp"

#include <cmath>

namespace shadowtune::tuner {

namespace {

// Its continued fraction, by Lentz's method; converges fast for x below (a + 1) / (a + b + 2).
[[nodiscard]] double continued_fraction(double a, double b, double x) {
    constexpr double tiny{1e-300};
    const auto away_from_zero{[](double value) { return std::abs(value) < tiny ? tiny : value; }};
    double c{1};
    double d{1 / away_from_zero(1 - (a + b) * x / (a + 1))};
    double fraction{d};
    // The number of steps grows with the square root of the larger parameter.
    const int steps{200 + static_cast<int>(10 * std::sqrt(std::fmax(a, b)))};
    for (int m{1}; m < steps; ++m) {
        const double even{m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))};
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        fraction *= c * d;
        const double odd{-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))};
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        fraction *= c * d;
        if (std::abs(c * d - 1) < 1e-14) break;
    }
    return fraction;
}

} // namespace

double incomplete_beta(double a, double b, double x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    const double front{std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) +
                                b * std::log1p(-x))};
    if (x < (a + 1) / (a + b + 2)) return front * continued_fraction(a, b, x) / a;
    return 1 - front * continued_fraction(b, a, 1 - x) / b;
}

double beta_quantile(double a, double b, double p) {
    double low{0};
    double high{1};
    for (int i{0}; i < 100; ++i) {
        const double middle{(low + high) / 2};
        (incomplete_beta(a, b, middle) < p ? low : high) = middle;
    }
    return (low + high) / 2;
}

} // namespace shadowtune::tuner
