#include "import_run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>

#include "listing.h"
#include "records.h"
#include "ringfence/base/hex.h"
#include "ringfence/crypto/secret.h"
#include "shown_text.h"
#include "table.h"

namespace ringfence::client {

using model::Json;

namespace {

constexpr size_t random_password_bytes = 16;

// What has become of one record.
struct Fate {
  std::string what;  // "created", "left", "failed", "would create".
  std::string message{};
};

// Users and targets name their groups, those among them that were here before the import.
const char* left_because(const model::Noun& noun) {
  const bool is_group = noun.name == "user_group" || noun.name == "target_group";
  return is_group ? "exists already; its members there join it" : "exists already";
}

// A new file of mode 0600 with a line for each user: the name, a tab, the password.
class PasswordFile {
 public:
  PasswordFile() = default;
  ~PasswordFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  PasswordFile(const PasswordFile&) = delete;
  PasswordFile& operator=(const PasswordFile&) = delete;

  Outcome<void> open(const std::string& path) {
    path_ = path;
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ >= 0) return {};
    if (errno == EEXIST)
      return failed(Exit::usage, path + " is there already, and may hold passwords; name another file");
    return failed(fail_errno(errno, path).value());
  }
  bool is_open() const { return fd_ >= 0; }

  // On the disk when this comes back.
  Outcome<void> add(const std::string& name, const std::string& password) {
    std::string line = name + "\t" + password + "\n";
    for (size_t at = 0; at < line.size();) {
      const ssize_t put = ::write(fd_, line.data() + at, line.size() - at);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed(fail_errno(errno, path_).value());
      at += static_cast<size_t>(put);
    }
    crypto::secure_zero(line);
    if (::fsync(fd_) != 0) return failed(fail_errno(errno, path_).value());
    return {};
  }

 private:
  std::string path_;
  int fd_ = -1;
};

class Import {
 public:
  Import(Connection connection, const ImportRun& run) : connection_(std::move(connection)), run_(run) {}

  // The file, where passwords are wanted.
  Outcome<void> prepare() {
    if (run_.passwords_file.empty() || run_.is_dry) return {};
    return passwords_.open(run_.passwords_file);
  }

  Fate fate_of(const PlannedRecord& record) {
    const std::string name = record.body.value("name", std::string());
    if (name.empty() && record.noun->has_name()) return {"failed", "has no name"};
    auto there = record.noun->has_name() ? is_there(record, name) : is_reason_there(record);
    if (!there) return {"failed", there.error().message};
    if (*there) return {"left", left_because(*record.noun)};
    if (run_.is_dry) return {"would create", record.remark};
    return created(record, name);
  }

 private:
  Fate created(const PlannedRecord& record, const std::string& name) {
    Json body = record.body;
    std::string remark = record.remark;
    if (record.wants_password && passwords_.is_open()) {
      auto password = random_password(name);
      if (!password) return {"failed", password.error().message};
      body["password"] = std::move(*password);
    } else if (record.wants_password) {
      remark = "without a password: ringfence users password NAME --must-change";
    }
    auto made = create(record, body);
    if (made) return {"created", remark};
    const bool is_weak = record.noun->name == "user" && record.body.contains("password") &&
                         made.error().message.find("\n  password: ") != std::string::npos;
    if (!is_weak) return {"failed", made.error().message};
    body.erase("password");
    made = create(record, body);
    if (!made) return {"failed", made.error().message};
    return {"created", "without its password, which is too weak: ringfence users password " + name};
  }

  // It stands in the file before it holds.
  Outcome<std::string> random_password(const std::string& name) {
    auto bytes = crypto::random_bytes(random_password_bytes);
    if (!bytes) return failed(std::move(bytes).error());
    std::string out = hex_of(*bytes);
    if (auto added = passwords_.add(name, out); !added) return passed_on(std::move(added).error());
    return out;
  }

  Outcome<bool> is_there(const PlannedRecord& record, const std::string& name) {
    const std::string plural(record.noun->plural);
    auto found = connection_.ask({.path = path_of({plural, name}),
                                  .what = "look for " + words_of(*record.noun) + " " + name,
                                  .scope = plural + ":read"});
    if (found) return true;
    if (found.error().exit == Exit::not_found) return false;
    return passed_on(std::move(found).error());
  }

  // Records without names say in `reason` where they come from.
  Outcome<bool> is_reason_there(const PlannedRecord& record) {
    if (reasons_ == nullptr) {
      auto read = read_reasons(std::string(record.noun->plural));
      if (!read) return passed_on(std::move(read).error());
      reasons_ = std::make_unique<std::set<std::string>>(std::move(*read));
    }
    return reasons_->count(record.body.value("reason", std::string())) > 0;
  }

  Outcome<std::set<std::string>> read_reasons(const std::string& plural) {
    std::set<std::string> out;
    std::string cursor;
    do {
      std::vector<std::pair<std::string, std::string>> parameters = {{"limit", "1000"}};
      if (!cursor.empty()) parameters.emplace_back("cursor", cursor);
      auto page = connection_.ask_json({.path = path_of({plural}) + query_of(parameters),
                                        .what = "list " + plural,
                                        .scope = plural + ":read"});
      if (!page) return passed_on(std::move(page).error());
      const Json items = page->value("items", Json::array());
      for (const Json& item : items) {
        const Json reason = item.is_object() ? item.value("reason", Json()) : Json();
        if (reason.is_string()) out.insert(reason.get<std::string>());
      }
      const Json next = page->value("next_cursor", Json());
      const std::string given = next.is_string() ? next.get<std::string>() : std::string();
      if (!given.empty() && given == cursor)
        return failed(Exit::refused, connection_.url() + " gives the same page again and again");
      cursor = given;
    } while (!cursor.empty());
    return out;
  }

  Outcome<void> create(const PlannedRecord& record, const Json& body) {
    const std::string plural(record.noun->plural);
    auto made = connection_.ask({.method = "POST",
                                 .path = path_of({plural}),
                                 .what = "create it",
                                 .scope = plural + ":write",
                                 .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)});
    if (!made) return passed_on(std::move(made).error());
    return {};
  }

  Connection connection_;
  const ImportRun& run_;
  PasswordFile passwords_;
  std::unique_ptr<std::set<std::string>> reasons_;
};

// The words of a message on one line, for a table.
std::string on_one_line(std::string text) {
  for (size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at))
    text.replace(at, 1, ";");
  return text;
}

class Report {
 public:
  // Lines of a file, where anything comes from one.
  explicit Report(const ImportPlan& plan) {
    for (const PlannedRecord& record : plan.records) has_lines_ |= record.line != 0;
    for (const Remark& remark : plan.remarks) has_lines_ |= remark.line != 0;
  }

  void add(const std::string& what, const std::string& noun, const std::string& name, int line,
           const std::string& message) {
    std::vector<std::string> cells = {what, cell_of(Json(noun)), cell_of(Json(name))};
    Json item = {{"what", what}, {"noun", noun}, {"name", name}, {"remark", message}};
    if (has_lines_) cells.push_back(line == 0 ? "-" : std::to_string(line));
    if (line != 0) item["line"] = line;
    cells.push_back(cell_of(Json(on_one_line(message))));
    rows_.push_back(std::move(cells));
    items_.push_back(std::move(item));
  }

  void print_as(bool is_json, const std::string& yaml) const {
    if (is_json) {
      Json out = {{"items", items_}};
      if (!yaml.empty()) out["configuration"] = yaml;
      print(json_text(out));
      return;
    }
    std::vector<std::string> heads = {"what", "noun", "name"};
    if (has_lines_) heads.emplace_back("line");
    heads.emplace_back("remark");
    Table table(heads);
    for (const auto& row : rows_) table.add(row);
    print(table.text());
    if (!yaml.empty()) print("\n" + shown_text(yaml, true));
  }

 private:
  bool has_lines_ = false;
  std::vector<std::vector<std::string>> rows_;
  Json items_ = Json::array();
};

}  // namespace

Outcome<void> carry_out(const CommonOptions& common, const ImportPlan& plan, const ImportRun& run) {
  auto connection = connect(common.connect);
  if (!connection) return passed_on(std::move(connection).error());
  Import import(std::move(*connection), run);
  if (auto prepared = import.prepare(); !prepared) return prepared;
  Report report(plan);
  size_t failures = 0;
  for (const PlannedRecord& record : plan.records) {
    const Fate fate = import.fate_of(record);
    failures += fate.what == "failed" ? 1 : 0;
    const std::string name = record.title.empty() ? record.body.value("name", std::string()) : record.title;
    report.add(fate.what, words_of(*record.noun), name, record.line, fate.message);
  }
  for (const Remark& remark : plan.remarks)
    report.add("remark", "", remark.path, remark.line, remark.message);
  report.print_as(common.json, run.yaml);
  if (failures == 0) return {};
  return failed(Exit::refused, std::to_string(failures) + " of " + std::to_string(plan.records.size()) +
                                   " records were not imported; mend what is told and import again");
}

void print_remarks(const CommonOptions& common, const ImportPlan& plan, const std::string& yaml) {
  Report report(plan);
  for (const Remark& remark : plan.remarks)
    report.add("remark", "", remark.path, remark.line, remark.message);
  report.print_as(common.json, yaml);
}

}  // namespace ringfence::client
