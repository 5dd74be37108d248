#pragma once

// Result<T, E>: a value or the reason why there is none, in hosted and freestanding code alike.
// g++ 12 has no std::expected, and the VMM has no exceptions: an error that is not looked at must not
// compile. Both T and E must be default-constructible; the one that does not apply is left in that state.

#include <utility>

namespace shadowtune {

template <typename E>
struct Failure {
    E error;
};

template <typename E>
Failure(E) -> Failure<E>;

template <typename T, typename E>
class [[nodiscard]] Result {
public:
    constexpr Result(T value) : m_ok{true}, m_value{std::move(value)} {}
    constexpr Result(Failure<E> failure) : m_ok{false}, m_error{std::move(failure.error)} {}

    [[nodiscard]] constexpr bool ok() const { return m_ok; }
    [[nodiscard]] constexpr explicit operator bool() const { return m_ok; }

    // Only where ok(): the caller has looked.
    [[nodiscard]] constexpr T& value() & { return m_value; }
    [[nodiscard]] constexpr const T& value() const& { return m_value; }
    [[nodiscard]] constexpr T&& value() && { return std::move(m_value); }

    // Only where !ok().
    [[nodiscard]] constexpr const E& error() const { return m_error; }

private:
    bool m_ok;
    T m_value{};
    E m_error{};
};

// Success without a value: a step that either worked or says why not.
template <typename E>
class [[nodiscard]] Result<void, E> {
public:
    constexpr Result() : m_ok{true} {}
    constexpr Result(Failure<E> failure) : m_ok{false}, m_error{std::move(failure.error)} {}

    [[nodiscard]] constexpr bool ok() const { return m_ok; }
    [[nodiscard]] constexpr explicit operator bool() const { return m_ok; }
    [[nodiscard]] constexpr const E& error() const { return m_error; }

private:
    bool m_ok;
    E m_error{};
};

} // namespace shadowtune
