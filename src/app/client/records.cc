#include "records.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "field_text.h"
#include "ringfence/base/clock.h"
#include "table.h"
#include "terminal.h"

namespace ringfence::client {

using model::Exposure;
using model::Field;
using model::Json;
using model::Noun;

namespace {

// The API takes records of at most 64 KiB.
constexpr size_t record_bytes_max = size_t{64} << 10;
// A relative change of a record that somebody else changes meanwhile is made anew.
constexpr int tries_max = 3;

constexpr const char* frame_fields[] = {"id",         "number",     "version",   "created_at",
                                        "created_by", "updated_at", "updated_by"};

bool is_shown(const Field& field) {
  return field.exposure == Exposure::open || field.exposure == Exposure::read_only;
}

std::string scope_of(const Noun& noun, const char* action) { return std::string(noun.plural) + ":" + action; }

std::vector<std::string> if_match(int64_t version) {
  if (version == 0) return {};
  return {"If-Match: \"" + std::to_string(version) + "\""};
}

// The fields of a request, and the relative ones, which need the record.
struct Written {
  Json body = Json::object();
  std::vector<FieldText> relative;
};

Outcome<void> take_file(const WriteOptions& options, Json& body) {
  if (options.file.empty()) return {};
  auto text = read_text(options.file, record_bytes_max);
  if (!text) return passed_on(std::move(text).error());
  auto json = model::parse_json(*text);
  const std::string name = options.file == "-" ? "standard input" : options.file;
  if (!json) return failed(Exit::usage, name + ": " + json.error().message);
  if (!json->is_object()) return failed(Exit::usage, name + " holds no JSON object");
  body = std::move(*json);
  return {};
}

// In the order of the fields: so stand the lines of standard input.
Outcome<void> take_secrets(const WriteOptions& options, Json& body) {
  for (const SecretOption& secret : options.secrets) {
    const std::string name(secret.field->name);
    if (secret.is_read && options.file == "-")
      return failed(Exit::usage, "standard input cannot give both the record and the " + name);
    if (secret.is_read) {
      auto line = read_input_line("the " + name);
      if (!line) return passed_on(std::move(line).error());
      body[name] = std::move(*line);
    } else if (secret.is_asked) {
      auto typed = ask_new_secret(name, "give it on standard input");
      if (!typed) return passed_on(std::move(typed).error());
      body[name] = std::string(typed->reveal());
    }
  }
  return {};
}

Outcome<Written> written(const Noun& noun, const WriteOptions& options, bool is_change) {
  Written out;
  if (auto taken = take_file(options, out.body); !taken) return passed_on(std::move(taken).error());
  const bool has_name = !is_change && noun.has_name();
  for (size_t i = 0; i < options.words.size(); ++i) {
    const std::string& word = options.words[i];
    if (i == 0 && has_name && word.find('=') == std::string::npos) {
      out.body["name"] = word;
      continue;
    }
    auto field = parse_field_text(noun, word, is_change, wall_us());
    if (!field) return passed_on(std::move(field).error());
    if (field->is_relative) out.relative.push_back(std::move(*field));
    else out.body[std::string(field->field->name)] = std::move(field->value);
  }
  if (auto taken = take_secrets(options, out.body); !taken) return passed_on(std::move(taken).error());
  return out;
}

std::string text_of_body(const Json& body) {
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void print_done(const CommonOptions& common, const Noun& noun, const char* done, const Json& record) {
  if (common.json) {
    print(json_text(record));
    return;
  }
  const std::string id = cell_of(record.value("id", Json()));
  const Json name = record.value("name", Json());
  print(std::string(done) + " " + words_of(noun) + " " +
        (name.is_string() ? cell_of(name) + " (" + id + ", " : id + " (") + "version " +
        cell_of(record.value("version", Json())) + ")\n");
  // Of an API key: the one time that it is shown.
  if (const Json key = record.value("key", Json()); key.is_string()) {
    print("key: " + cell_of(key) + "\n");
    note("the key is shown this once; keep it now");
  }
}

std::string named(const Noun& noun, const std::string& id) { return words_of(noun) + " " + id; }

// One try of a change. A relative one reads the record and changes that version alone.
Outcome<Json> change_once(Connection& connection, const Noun& noun, const std::string& id,
                          const Written& given, int64_t version) {
  const std::string path = path_of({std::string(noun.plural), id});
  Json body = given.body;
  if (!given.relative.empty()) {
    auto record = connection.ask_json(
        {.path = path, .what = "read " + named(noun, id), .scope = scope_of(noun, "read")});
    if (!record) return record;
    for (const FieldText& change : given.relative) {
      const std::string name(change.field->name);
      body[name] = applied(change, record->value(name, Json()));
    }
    const Json read = record->value("version", Json());
    if (version == 0 && read.is_number_integer()) version = read.get<int64_t>();
  }
  return connection.ask_json({.method = "PATCH",
                              .path = path,
                              .what = "change " + named(noun, id),
                              .scope = scope_of(noun, "write"),
                              .body = text_of_body(body),
                              .headers = if_match(version)});
}

}  // namespace

std::string words_of(const Noun& noun) {
  std::string out(noun.name);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

std::vector<std::string> usual_columns(const Noun& noun) {
  std::vector<std::string> out;
  if (!noun.has_name()) out.emplace_back("id");
  for (const Field& field : noun.fields) {
    const bool is_list = field.kind == model::FieldKind::texts || field.kind == model::FieldKind::references;
    const bool is_usual = is_list || field.is_filter || field.is_sorted || field.is_required;
    if (is_shown(field) && is_usual) out.emplace_back(field.name);
  }
  return out;
}

std::vector<std::string> all_columns(const Noun& noun) {
  std::vector<std::string> out;
  for (const Field& field : noun.fields) {
    if (is_shown(field)) out.emplace_back(field.name);
  }
  out.insert(out.end(), std::begin(frame_fields), std::end(frame_fields));
  return out;
}

Outcome<void> list_records(const CommonOptions& common, const Noun& noun, const ListOptions& options) {
  Listing listing{.path = path_of({std::string(noun.plural)}),
                  .member = "items",
                  .what = "list " + std::string(noun.plural),
                  .scope = scope_of(noun, "read")};
  for (const std::string& word : options.filters) {
    auto filter = parse_filter(noun, word);
    if (!filter) return passed_on(std::move(filter).error());
    listing.parameters.push_back(std::move(*filter));
  }
  if (!options.sort.empty()) listing.parameters.emplace_back("sort", options.sort);
  auto columns = columns_of(options, usual_columns(noun), all_columns(noun));
  if (!columns) return passed_on(std::move(columns).error());
  listing.columns = std::move(*columns);
  return print_list(common, listing, options);
}

Outcome<void> show_record(const CommonOptions& common, const Noun& noun, const std::string& id) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto record = connection->ask_json({.path = path_of({std::string(noun.plural), id}),
                                      .what = "show " + named(noun, id),
                                      .scope = scope_of(noun, "read")});
  if (!record) return passed_on(std::move(record).error());
  print(common.json ? json_text(*record) : record_text(*record, all_columns(noun)));
  return {};
}

Outcome<void> create_record(const CommonOptions& common, const Noun& noun, const WriteOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto given = written(noun, options, false);
  if (!given) return passed_on(std::move(given).error());
  const Json name = given->body.value("name", Json());
  auto record = connection->ask_json(
      {.method = "POST",
       .path = path_of({std::string(noun.plural)}),
       .what = "create " + words_of(noun) + (name.is_string() ? " " + name.get<std::string>() : ""),
       .scope = noun.is_request ? "" : scope_of(noun, "write"),  // One of two scopes is enough to ask.
       .body = text_of_body(given->body)});
  if (!record) return passed_on(std::move(record).error());
  print_done(common, noun, "created", *record);
  return {};
}

Outcome<void> update_record(const CommonOptions& common, const Noun& noun, const std::string& id,
                            const WriteOptions& options) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  auto given = written(noun, options, true);
  if (!given) return passed_on(std::move(given).error());
  if (given->body.empty() && given->relative.empty())
    return failed(Exit::usage, "nothing is given to change; write FIELD=VALUE, or --file");
  const bool may_try_again = !given->relative.empty() && options.version == 0;
  for (int i = 1;; ++i) {
    auto record = change_once(*connection, noun, id, *given, options.version);
    if (record) {
      print_done(common, noun, "changed", *record);
      return {};
    }
    if (record.error().exit != Exit::conflict || !may_try_again || i == tries_max)
      return passed_on(std::move(record).error());
  }
}

Outcome<void> delete_records(const CommonOptions& common, const Noun& noun, const DeleteOptions& options) {
  if (options.version != 0 && options.ids.size() > 1)
    return failed(Exit::usage, "--if-version is for one record; name one");
  std::string all;
  for (const std::string& id : options.ids) all += (all.empty() ? "" : ", ") + id;
  const std::string what = options.ids.size() == 1 ? words_of(noun) : std::string(noun.plural);
  if (auto agreed = confirm("delete " + what + " " + all, options.is_agreed); !agreed) return agreed;
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  for (const std::string& id : options.ids) {
    auto done = connection->ask({.method = "DELETE",
                                 .path = path_of({std::string(noun.plural), id}),
                                 .what = "delete " + named(noun, id),
                                 .scope = scope_of(noun, "write"),
                                 .headers = if_match(options.version)});
    if (!done) return passed_on(std::move(done).error());
    if (!common.json) print("deleted " + words_of(noun) + " " + cell_of(Json(id)) + "\n");
  }
  return {};
}

}  // namespace ringfence::client
