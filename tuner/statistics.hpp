#pragma once

// The distribution functions that the tuner's tests and intervals need.

namespace shadowtune::tuner {

// The regularised incomplete beta function I_x(a, b): the probability that a beta variable is at most x, and
// for whole numbers that of at least a successes in a + b - 1 trials. a and b above 0.
[[nodiscard]] double incomplete_beta(double a, double b, double x);

// The x at which it is p.
[[nodiscard]] double beta_quantile(double a, double b, double p);

} // namespace shadowtune::tuner
