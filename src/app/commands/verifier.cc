#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "commands.h"
#include "ringfence/crypto/secret.h"
#include "ringfence/pg/scram.h"

namespace ringfence::app {

int print_verifier() {
  if (isatty(STDIN_FILENO)) std::fputs("Password (it is shown while you type): ", stderr);
  std::string password;
  if (!std::getline(std::cin, password) || password.empty()) {
    std::fputs("error: no password on standard input\n", stderr);
    return 1;
  }
  auto salt = crypto::random_bytes(pg::scram_salt_size);
  if (!salt) {
    std::fprintf(stderr, "error: %s\n", salt.error().message.c_str());
    return 1;
  }
  pg::ScramVerifier verifier = pg::make_scram_verifier(password, *salt);
  crypto::secure_zero(password);
  std::puts(pg::format_scram_verifier(verifier).c_str());
  return 0;
}

}  // namespace ringfence::app
