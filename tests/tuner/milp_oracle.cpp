#include "tests/tuner/milp_oracle.hpp"

#include <cstdio>
#include <cstdlib>
#include <glpk.h>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace shadowtune::test {

namespace {

struct Delete {
    void operator()(glp_prob* problem) const { glp_delete_prob(problem); }
};

// One row of the program: coefficients by column, and bounds.
class Row {
public:
    void add(int column, double value) { m_values[column] += value; }
    void at_least(glp_prob* problem, double bound) { append(problem, GLP_LO, bound); }
    void at_most(glp_prob* problem, double bound) { append(problem, GLP_UP, bound); }

private:
    void append(glp_prob* problem, int kind, double bound) {
        std::vector<int> columns{0};
        std::vector<double> values{0};
        for (const auto& [column, value] : m_values) {
            columns.push_back(column);
            values.push_back(value);
        }
        const int row{glp_add_rows(problem, 1)};
        glp_set_row_bnds(problem, row, kind, bound, bound);
        glp_set_mat_row(problem, row, static_cast<int>(m_values.size()), columns.data(), values.data());
    }

    std::map<int, double> m_values;
};

} // namespace

double milp_least_regret(std::span<const MilpWorkload> workloads, const tuner::CostTable& costs,
                         const vmcs::ProfileTarget& target, const tuner::Budget& budget) {
    const std::unique_ptr<glp_prob, Delete> owner{glp_create_prob()};
    glp_prob* const problem{owner.get()};
    glp_set_obj_dir(problem, GLP_MIN);
    const auto column{[&](int kind) {
        const int number{glp_add_cols(problem, 1)};
        if (kind == GLP_BV) {
            glp_set_col_kind(problem, number, kind);
        } else {
            glp_set_col_bnds(problem, number, GLP_FR, 0, 0);
        }
        return number;
    }};
    const int regret{column(GLP_CV)};
    glp_set_obj_coef(problem, regret, 1);
    const int used{column(GLP_BV)};
    std::map<vmcs::FieldIndex, std::pair<int, int>> choices{};
    Row fields{};
    Row sync{};
    sync.add(used, costs.fixed);
    for (vmcs::FieldIndex i{0}; i < vmcs::field_count; ++i) {
        if (!target.offered.test(i)) continue;
        const int read{column(GLP_BV)};
        const int write{column(GLP_BV)};
        choices[i] = {read, write};
        vmcs::ShadowSets one{};
        one.read.set(i);
        if (!vmcs::validate(one, target)) glp_set_col_bnds(problem, read, GLP_FX, 0, 0);
        one.write.set(i);
        if (!vmcs::validate(one, target)) glp_set_col_bnds(problem, write, GLP_FX, 0, 0);
        Row write_needs_read{};
        write_needs_read.add(read, 1);
        write_needs_read.add(write, -1);
        write_needs_read.at_least(problem, 0);
        Row shadow_needs_use{};
        shadow_needs_use.add(used, 1);
        shadow_needs_use.add(read, -1);
        shadow_needs_use.at_least(problem, 0);
        fields.add(read, 1);
        sync.add(read, costs.fields[i].sync_read);
        sync.add(write, costs.fields[i].sync_write);
    }
    if (budget.fields) fields.at_most(problem, static_cast<double>(*budget.fields));
    if (budget.sync) sync.at_most(problem, *budget.sync);
    for (const auto& [gains, best] : workloads) {
        Row row{};
        row.add(regret, 1);
        row.add(used, -gains.fixed);
        for (const auto& [field, columns] : choices) {
            row.add(columns.first, gains.fields[field].read);
            row.add(columns.second, gains.fields[field].write);
        }
        row.at_least(problem, best);
    }
    glp_iocp options{};
    glp_init_iocp(&options);
    options.presolve = GLP_ON;
    options.msg_lev = GLP_MSG_ERR;
    if (glp_intopt(problem, &options) != 0 || glp_mip_status(problem) != GLP_OPT) {
        std::fprintf(stderr, "GLPK finds no optimum\n");
        std::abort();
    }
    return glp_mip_obj_val(problem);
}

} // namespace shadowtune::test
