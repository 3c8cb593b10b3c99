#include "listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/config/config_reader.h"
#include "shown_text.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Json;

namespace {

constexpr uint64_t page_max = 1'000;
// On a terminal alone: what goes to a file or a program is whole.
constexpr size_t cell_columns_max = 48;

// What is printed of the records, as they come.
class ListPrinter {
 public:
  ListPrinter(std::vector<std::string> columns, bool is_json)
      : columns_(std::move(columns)), table_(columns_), is_json_(is_json) {}

  void add(const Json& record) {
    if (is_json_) {
      print((count_ == 0 ? "{\"items\": [\n" : ",\n") +
            shown_text(record.dump(-1, ' ', false, Json::error_handler_t::replace)));
    } else {
      std::vector<std::string> cells;
      for (const std::string& column : columns_)
        cells.push_back(cell_of(record.is_object() ? record.value(column, Json()) : Json()));
      table_.add(std::move(cells));
    }
    ++count_;
  }

  void end(const std::string& next) {
    if (is_json_) {
      print(std::string(count_ == 0 ? "{\"items\": [" : "") +
            "],\n\"next_cursor\": " + (next.empty() ? "null" : Json(next).dump()) + "}\n");
      return;
    }
    print(table_.text(shows_on_terminal() ? cell_columns_max : 0));
    if (!next.empty()) note("there are more: --all shows them, --cursor " + next + " goes on from here");
  }

  uint64_t count() const { return count_; }

 private:
  std::vector<std::string> columns_;
  Table table_;
  bool is_json_;
  uint64_t count_ = 0;
};

// The page's records go to the printer; gives the next page's cursor.
Outcome<std::string> take_page(const Json& page, const std::string& member, ListPrinter& printer) {
  const auto items = page.find(member);
  if (items == page.end() || !items->is_array())
    return failed(Exit::refused, "the answer is no list; is it another version's appliance?");
  for (const Json& item : *items) printer.add(item);
  const Json next = page.value("next_cursor", Json());
  return next.is_string() ? next.get<std::string>() : std::string();
}

}  // namespace

Outcome<void> print_list(const CommonOptions& common, const Listing& listing, const ListOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  // Nothing is printed before the first page is there.
  ListPrinter printer(listing.columns, common.json);
  std::string cursor = options.cursor;
  for (;;) {
    auto parameters = listing.parameters;
    const uint64_t wanted = options.all ? page_max : std::min(page_max, options.limit - printer.count());
    if (listing.takes_pages) parameters.emplace_back("limit", std::to_string(wanted));
    if (!cursor.empty()) parameters.emplace_back("cursor", cursor);
    auto page = connection->ask_json(
        {.path = listing.path + query_of(parameters), .what = listing.what, .scope = listing.scope});
    if (!page) return passed_on(std::move(page).error());
    auto next = take_page(*page, listing.member, printer);
    if (!next) return passed_on(std::move(next).error());
    if (!next->empty() && *next == cursor)
      return failed(Exit::refused, connection->url() + " gives the same page again and again");
    cursor = std::move(*next);
    if (cursor.empty() || (!options.all && printer.count() >= options.limit)) break;
  }
  printer.end(cursor);
  return {};
}

Outcome<std::vector<std::string>> columns_of(const ListOptions& options, std::vector<std::string> usual,
                                             const std::vector<std::string>& known) {
  if (options.columns.empty()) return usual;
  if (options.columns.size() == 1 && options.columns[0] == "all") return known;
  for (const std::string& column : options.columns) {
    if (std::find(known.begin(), known.end(), column) == known.end())
      return failed(Exit::usage, "there is no column \"" + column + "\"; " + app::suggest(column, known));
  }
  return options.columns;
}

void add_list_options(CLI::App& command, ListOptions& options) {
  command.add_option("--limit", options.limit, "How many at most")
      ->capture_default_str()
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}));
  command.add_flag("--all", options.all, "All there are, page by page")->excludes("--limit");
  command.add_option("--cursor", options.cursor, "Go on behind the page that gave this next_cursor");
  command.add_option("--columns", options.columns, "The table's columns by comma, or all")
      ->delimiter(',')
      ->allow_extra_args(false);
}

std::string json_text(const Json& json) {
  return shown_text(json.dump(2, ' ', false, Json::error_handler_t::replace), true) + "\n";
}

std::string record_text(const Json& record, const std::vector<std::string>& order) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& name : order) {
    if (record.contains(name)) pairs.emplace_back(name, cell_of(record.at(name)));
  }
  for (const auto& [name, value] : record.items()) {
    if (std::find(order.begin(), order.end(), name) == order.end())
      pairs.emplace_back(shown_text(name), cell_of(value));
  }
  return pairs_text(pairs);
}

}  // namespace ringfence::client
