// Where in the configuration a field of the model stands, for telling what is wrong with it.
#pragma once

#include <string>

#include "config_reader.h"
#include "ringfence/model/defect.h"

namespace ringfence::app {

class Places {
 public:
  Places(ReadContext& context, const ConfigNode& root) : context_(context), root_(root) {}

  // Of a path of the model ("targets[2].pool.max"): the variable that sets it, its line in the file, or the
  // line of the group that it is missing from.
  Origin of(const std::string& path) const;
  bool is_written(const std::string& path) const;
  // Makes errors of defects. What reading has found wrong at the same place is not told again: the value is
  // not the one that was written.
  void tell(const model::Defects& defects);

 private:
  struct Found {
    Origin origin;
    bool is_written = false;
  };
  Found find(const std::string& path) const;
  // The key that people write for this path: `host` or `hosts`, `password` or `password_file`.
  std::string written_path(const std::string& path) const;

  ReadContext& context_;
  const ConfigNode& root_;
};

}  // namespace ringfence::app
