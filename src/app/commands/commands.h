// What each command of the command line does; each gives the process's exit status: 0, or 1 with the reason
// on standard error, or 2 when what was verified is not as it should be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringfence::app {

int serve(const std::string& config_path);
// `connects`: also logs in to each target and asks what its credentials may do; 1 when one cannot be logged
// in to.
int check(const std::string& config_path, bool connects);
int print_verifier();

struct ExplainOptions {
  std::string user;
  std::vector<std::string> roles;
  std::string target;
  std::string statement = "-";  // "-": standard input.
  int server_version = 15;
  bool json = false;
};
// 0: allowed; 2: refused.
int explain(const std::string& config_path, const ExplainOptions& options);

struct VerifyOptions {
  std::string dsn;
  std::string node;
  std::vector<std::string>
      public_keys;         // Hexadecimal; empty: the state directory's, else the store's own copies.
  uint64_t anchor_ms = 0;  // 0: the configuration's, else the default.
  bool json = false;
  uint64_t from = 0;
  uint64_t to = 0;
};
int verify(const std::string& config_path, const VerifyOptions& options);
// From now on the configuration's state directory writes as its node. With a code: the next start takes the
// store that it refused with it.
int adopt(const std::string& config_path, const std::string& accepted_code);

struct RevealOptions {
  std::string event;
  std::string reason;
  std::string field;  // Empty: all.
};
// Prints what redaction took out of an event, after the store has an event that says who asked.
int reveal(const std::string& config_path, const RevealOptions& options);
// The state directory gets another data key.
int add_data_key(const std::string& config_path);

}  // namespace ringfence::app
