// `lab` without the other verbs, so that the lab's tests need nothing but the lab.
#include "cli/lab_run.hpp"

int main(int argc, char** argv) {
    CLI::App app{"The lab's verb alone"};
    int exit_code = 0;
    shadowtune::cli::add_lab_verbs(app, exit_code);
    CLI11_PARSE(app, argc, argv);
    return exit_code;
}
