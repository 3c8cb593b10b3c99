#include "command_tree.h"

#include <algorithm>
#include <cstdio>

#include "shown_text.h"

namespace ringfence::client {

namespace {

constexpr int64_t timeout_s_max = 86'400;

void complain(const std::string& message) {
  std::fprintf(stderr, "error: %s\n", shown_text(message, true).c_str());
}

}  // namespace

CLI::App& CommandTree::group(const std::string& name, const std::string& help) {
  CLI::App& out = *root_.add_subcommand(name, help);
  out.require_subcommand(1);
  first_words_.push_back(name);
  return out;
}

CLI::App& CommandTree::add_local(CLI::App& parent, const std::string& name, const std::string& help,
                                 Run run) {
  CLI::App& out = *parent.add_subcommand(name, help);
  if (&parent == &root_) first_words_.push_back(name);
  runs_[&out] = std::move(run);
  return out;
}

CLI::App& CommandTree::add(CLI::App& parent, const std::string& name, const std::string& help, Run run,
                           const char* url_option) {
  CLI::App& out = add_local(parent, name, help, std::move(run));
  out.add_flag("--json", common_.json, "The answer as JSON");
  ConnectOptions& connect = common_.connect;
  const auto common = [&](CLI::Option* option) { option->group("Which appliance"); };
  common(out.add_option("--context", connect.context, "The context to use, in place of the current one"));
  common(out.add_option(url_option, connect.url, "The appliance's admin address: https://HOST:PORT"));
  common(out.add_option("--cacert", connect.ca_file, "PEM certificates to trust, in place of the machine's")
             ->option_text("FILE"));
  common(out.add_flag("--insecure-http", connect.allows_plain_http,
                      "Allow http to another machine: whoever is on the way reads the key"));
  common(out.add_option("--timeout", connect.timeout_s, "Seconds for each request; 0: no bound")
             ->capture_default_str()
             ->check(CLI::Range(int64_t{0}, timeout_s_max)));
  return out;
}

CLI::App& CommandTree::add(const std::string& name, const std::string& help, Run run) {
  return add(root_, name, help, std::move(run));
}

void CommandTree::complete(const CLI::App& command, std::vector<std::string> words) {
  words_[&command] = std::move(words);
}

const std::vector<std::string>* CommandTree::words_of(const CLI::App& command) const {
  const auto found = words_.find(&command);
  return found == words_.end() ? nullptr : &found->second;
}

bool CommandTree::is_ours(const std::string& word) const {
  return std::find(first_words_.begin(), first_words_.end(), word) != first_words_.end();
}

std::optional<int> CommandTree::run() const {
  const CLI::App* chosen = &root_;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  const auto found = runs_.find(chosen);
  if (found == runs_.end()) return std::nullopt;
  const Outcome<void> done = found->second();
  const bool is_written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  if (!done) {
    complain(done.error().message);
    return static_cast<int>(done.error().exit);
  }
  if (is_written) return 0;
  complain("standard output does not take the result; is the disk full?");
  return static_cast<int>(Exit::refused);
}

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
void note(const std::string& text) { std::fprintf(stderr, "note: %s\n", shown_text(text).c_str()); }

}  // namespace ringfence::client
