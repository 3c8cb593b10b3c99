// Lists of the API, page by page, as a table or as JSON.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "command_tree.h"
#include "connection.h"

namespace ringfence::client {

// The options of each list.
struct ListOptions {
  std::vector<std::string> filters;  // "FIELD=VALUE"
  std::string sort;
  std::string cursor;
  uint64_t limit = 100;
  bool all = false;
  std::vector<std::string> columns;
};

struct Listing {
  std::string path;    // "/api/v1/users"
  std::string member;  // Of the answer, which has the page's records.
  std::string what;    // "list users"
  std::string scope;
  std::vector<std::pair<std::string, std::string>> parameters{};
  bool takes_pages = true;  // Has the parameters limit and cursor.
  std::vector<std::string> columns{};
};

// Asks for pages until there are `limit` records, or all, and prints them. JSON is printed page by page; a
// table stands when the last page is there.
Outcome<void> print_list(const CommonOptions& common, const Listing& listing, const ListOptions& options);
// The columns that --columns names, or these. Fails on a name that is not in `known`.
Outcome<std::vector<std::string>> columns_of(const ListOptions& options, std::vector<std::string> usual,
                                             const std::vector<std::string>& known);
// Adds the options to a command.
void add_list_options(CLI::App& command, ListOptions& options);

// A JSON value as text, safe on a terminal and still JSON.
std::string json_text(const model::Json& json);
// The fields in this order, those that are there; then the others.
std::string record_text(const model::Json& record, const std::vector<std::string>& order);

}  // namespace ringfence::client
