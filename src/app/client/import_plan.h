// What another product's configuration becomes here: records to create, and what has no counterpart.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dbbat_reader.h"
#include "outcome.h"
#include "ringfence/model/json.h"
#include "ringfence/model/noun.h"

namespace ringfence::client {

struct PlannedRecord {
  const model::Noun* noun = nullptr;
  int line = 0;         // Of the file; 0: it comes from no file.
  model::Json body{};   // Of a noun with names: with its name. May hold a password.
  std::string title{};  // Of a noun without names: for people. Its `reason` says whether it is there already.
  std::string remark{};         // What is left to do once it is created.
  bool wants_password = false;  // A random one, where somebody keeps the file for it.
};

struct Remark {
  int line = 0;      // 0: it comes from no file.
  std::string path;  // "connections[2].duration", "server shop"
  std::string message;
};

// Records stand in an order in which each refers to earlier ones.
struct ImportPlan {
  std::vector<PlannedRecord> records;
  std::vector<Remark> remarks;
};

// Of a port-authorizing configuration (YAML). `level`: of its policies, which have none there. Exit::usage:
// the text is no such file; the message has its lines.
Outcome<ImportPlan> plan_port_authorizing(const std::string& text, const std::string& file,
                                          const std::string& level);

// Of what a DBBat has. Grants that give nothing at now_us, or whose bounds are not known here, are left out.
// `gives_admin`: who has the role admin there gets it here.
ImportPlan plan_dbbat(const DbbatRecords& records, uint64_t now_us, bool gives_admin);

// Of an environment file with DBB_* variables.
struct TranslatedEnvironment {
  std::string yaml;  // Keys of our configuration; never a secret.
  std::vector<Remark> remarks;
};
TranslatedEnvironment translate_dbbat_environment(const std::string& text);

}  // namespace ringfence::client
