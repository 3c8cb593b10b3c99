#include "terminal.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

#include "shown_text.h"

namespace ringfence::client {

namespace {

constexpr size_t line_bytes_max = size_t{64} << 10;

// What a signal's handler gives back to the terminal before the process ends by the signal.
termios echoing;  // NOLINT: a handler sees globals alone.

void restore_and_end(int signal) {
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &echoing);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// Typed text is not shown while it lives; what ends the process before gives the terminal back.
class Unseen {
 public:
  Unseen() {
    is_set_ = tcgetattr(STDIN_FILENO, &echoing) == 0;
    if (!is_set_) return;
    struct sigaction action{};
    action.sa_handler = restore_and_end;
    for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &action, &before_[i]);
    termios silent = echoing;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    is_set_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
  }
  ~Unseen() {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &echoing);
    for (size_t i = 0; i < std::size(signals); ++i) sigaction(signals[i], &before_[i], nullptr);
    std::fputc('\n', stderr);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
  bool is_set() const { return is_set_; }

 private:
  static constexpr int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  struct sigaction before_[std::size(signals)] = {};
  bool is_set_ = false;
};

class Opened {
 public:
  explicit Opened(const std::string& path)
      : fd_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Opened() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

ssize_t read_some(int fd, char* to, size_t size) {
  ssize_t got = 0;
  do got = ::read(fd, to, size);
  while (got < 0 && errno == EINTR);
  return got;
}

}  // namespace

bool is_interactive() { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }
bool shows_on_terminal() { return isatty(STDOUT_FILENO) == 1; }

Outcome<void> confirm(const std::string& question, bool is_agreed) {
  if (is_agreed) return {};
  if (!is_interactive())
    return failed(Exit::usage, "this would " + shown_text(question) +
                                   ", and nobody can be asked without a terminal; say --yes");
  auto answer = ask_text(question + "? [y/N]");
  if (!answer) return passed_on(std::move(answer).error());
  if (*answer == "y" || *answer == "Y" || *answer == "yes") return {};
  return failed(Exit::refused, "nothing was done");
}

Outcome<std::string> ask_text(const std::string& question) {
  std::fprintf(stderr, "%s ", shown_text(question).c_str());
  return read_input_line("the answer");
}

Outcome<model::Secret> ask_secret(const std::string& question, const std::string& cure) {
  if (!is_interactive())
    return failed(Exit::usage, "nobody can be asked for the " + question + " without a terminal; " + cure);
  const Unseen unseen;  // Before the prompt: what is typed after it is not seen.
  std::fprintf(stderr, "%s: ", shown_text(question).c_str());
  if (!unseen.is_set()) return failed(Exit::refused, "the terminal goes on showing what is typed; " + cure);
  auto line = read_input_line(question);
  if (!line) return passed_on(std::move(line).error());
  model::Secret out(*line);
  crypto::secure_zero(*line);
  return out;
}

Outcome<model::Secret> ask_new_secret(const std::string& question, const std::string& cure) {
  auto first = ask_secret(question, cure);
  if (!first) return first;
  auto second = ask_secret(question + " again", cure);
  if (!second) return second;
  if (first->reveal() != second->reveal()) return failed(Exit::usage, "the two are not the same; try again");
  return first;
}

// Byte by byte: what stands behind the line is for the next reader.
Outcome<std::string> read_input_line(const std::string& what) {
  std::string out;
  char c = 0;
  ssize_t got = 0;
  while ((got = read_some(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
    if (out.size() == line_bytes_max) return failed(Exit::usage, what + " is longer than 64 KiB");
    out += c;
  }
  if (got < 0) return failed(fail_errno(errno, "standard input").value());
  if (got == 0 && out.empty()) return failed(Exit::usage, "standard input ends before " + what);
  if (out.ends_with('\r')) out.pop_back();
  return out;
}

Outcome<std::string> read_text(const std::string& path, size_t bytes_max) {
  const Opened file(path);
  const std::string name = path == "-" ? "standard input" : path;
  if (file.fd() < 0) return failed(fail_errno(errno, name).value());
  std::string out;
  char piece[4096];
  for (ssize_t got = 0; (got = read_some(file.fd(), piece, sizeof piece)) != 0;) {
    if (got < 0) return failed(fail_errno(errno, name).value());
    out.append(piece, static_cast<size_t>(got));
    if (out.size() > bytes_max)
      return failed(Exit::usage, name + " has more than " + std::to_string(bytes_max) + " bytes");
  }
  return out;
}

}  // namespace ringfence::client
