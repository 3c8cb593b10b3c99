// The person at the terminal, and standard input where there is none.
#pragma once

#include <string>

#include "outcome.h"
#include "ringfence/model/secret.h"

namespace ringfence::client {

// Somebody can be asked: standard input and standard error are terminals.
bool is_interactive();
// Standard output is a terminal.
bool shows_on_terminal();

// Before something is destroyed. Without somebody to ask and without `is_agreed` (--yes), Exit::usage.
// Fails with Exit::refused where the answer is no.
Outcome<void> confirm(const std::string& question, bool is_agreed);

Outcome<std::string> ask_text(const std::string& question);
// Typed without being shown. `cure` is said where nobody can be asked: "use --password-stdin".
Outcome<model::Secret> ask_secret(const std::string& question, const std::string& cure);
// Typed twice, the same.
Outcome<model::Secret> ask_new_secret(const std::string& question, const std::string& cure);

// Standard input's next line, without its end; Exit::usage where there is none, or it has more than 64 KiB.
Outcome<std::string> read_input_line(const std::string& what);
// The file's whole text, of standard input for "-"; at most so many bytes.
Outcome<std::string> read_text(const std::string& path, size_t bytes_max);

}  // namespace ringfence::client
