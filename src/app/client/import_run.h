// Carries out an import, and says what has become of each record.
#pragma once

#include "command_tree.h"
#include "import_plan.h"

namespace ringfence::client {

struct ImportRun {
  bool is_dry = false;
  std::string passwords_file;  // Gets names and random passwords of users; empty: users get none.
  std::string yaml;            // Printed behind the report.
};

// What is there already, by its name or a grant's reason, is left as it is. Exit::refused where a record
// could not be created; the others are.
Outcome<void> carry_out(const CommonOptions& common, const ImportPlan& plan, const ImportRun& run);

// The report alone, of a plan without records.
void print_remarks(const CommonOptions& common, const ImportPlan& plan, const std::string& yaml);

}  // namespace ringfence::client
