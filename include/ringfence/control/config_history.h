// Versions of the configuration that were in force, as people may see them: without secrets.
//
// Kept in a folder of the state directory, one file each, the newest `kept_max`. From any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ringfence/base/result.h"
#include "ringfence/control/answer.h"

namespace ringfence::control {

struct ConfigVersion {
  int64_t number = 0;  // From 1.
  uint64_t since_us = 0;
  std::string origin;  // "start", "reload", "rollback to 3".
  std::string by;      // Who asked for it, "ana (password)"; empty: whoever owns the file.
  std::string text;    // YAML, without secrets.
  // The same by path: "limits.idle_ms" or "targets[shop].port", and the value's text.
  std::map<std::string, std::string> fields;
};

class ConfigHistory {
 public:
  static constexpr size_t kept_max = 20;

  // The folder is made where it is missing. Files that are none of ours are left alone and not read.
  static Result<ConfigHistory> open(const std::string& folder);
  ConfigHistory(ConfigHistory&& other) noexcept;

  // The version that is in force from now on, with its number. At a start the newest version goes on where it
  // is the same one. An error: it is in force and known, but not in its file.
  Result<int64_t> begin(ConfigVersion version);
  // Versions that can come into force again are told by those who hold them.
  void set_held(std::vector<int64_t> numbers);

  // {"version", "since", "origin", "by", "text", "fields"} and "can_roll_back".
  Answer current() const;
  Answer list() const;
  Answer read(int64_t number) const;
  // {"from", "to", "changes": [{"path", "before", "after"}]}; `to` 0: the one in force.
  Answer diff(int64_t from, int64_t to) const;

 private:
  explicit ConfigHistory(std::string folder) : folder_(std::move(folder)) {}
  const ConfigVersion* find(int64_t number) const;
  model::Json shown(const ConfigVersion& version, bool is_whole) const;
  void forget_old();

  std::string folder_;
  mutable std::mutex lock_;
  std::vector<ConfigVersion> versions_;  // Ascending.
  std::vector<int64_t> held_;
};

}  // namespace ringfence::control
