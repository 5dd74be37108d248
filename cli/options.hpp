#pragma once

// What the verbs' options have in common, and CLI11 does otherwise: its checks of numbers let "nan" pass and
// name bounds of 309 digits, and its lists take every word that follows.

#include <CLI/CLI.hpp>

namespace shadowtune::cli {

// Finite, and above 0. Of an option that takes whole numbers CLI11 refuses others.
[[nodiscard]] CLI::Validator above_zero();

// Finite, and neither below `least` nor above `most`.
[[nodiscard]] CLI::Validator between(double least, double most);

// Of a list: one value each time that the option is given, so that the next word is the verb's own.
CLI::Option* repeatable(CLI::Option* option);

} // namespace shadowtune::cli
