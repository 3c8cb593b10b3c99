#include "completion.h"

#include <algorithm>
#include <memory>

namespace ringfence::client {

namespace {

// A command as a shell needs it.
struct Node {
  std::string path;  // "users list"; empty: the program.
  std::vector<const CLI::App*> commands;
  std::vector<std::string> options;
  std::vector<std::string> words;
};

constexpr std::string_view file_options =
    "--config|-c|--file|-f|--data|-d|--cacert|--from-cacert|--env|--passwords";

std::vector<const CLI::App*> commands_below(const CLI::App& app) {
  const auto all = [](const CLI::App* command) { return !command->get_name().empty(); };
  return app.get_subcommands(all);
}

void collect(const CommandTree& tree, const CLI::App& app, const std::string& path, std::vector<Node>& to) {
  Node node{.path = path, .commands = commands_below(app)};
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) node.options.push_back("--" + name);
  }
  std::sort(node.options.begin(), node.options.end());
  if (const auto* words = tree.words_of(app)) node.words = *words;
  to.push_back(node);
  for (const CLI::App* command : node.commands) {
    std::vector<std::string> names = command->get_aliases();
    names.push_back(command->get_name());
    for (const std::string& name : names)
      collect(tree, *command, path.empty() ? name : path + " " + name, to);
  }
}

// Options that a value follows, and that neither files nor contexts complete.
std::string value_options(const CLI::App& app) {
  std::string out;
  const auto add = [&](const std::string& name) {
    const std::string padded = "|" + out + "|" + std::string(file_options) + "|--context|";
    if (padded.find("|" + name + "|") == std::string::npos) out += (out.empty() ? "" : "|") + name;
  };
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_max() == 0) continue;
    for (const std::string& name : option->get_lnames()) add("--" + name);
    for (const std::string& name : option->get_snames()) add("-" + name);
  }
  for (const CLI::App* command : commands_below(app)) {
    const std::string below = value_options(*command);
    for (size_t begin = 0; begin < below.size();) {
      const size_t end = std::min(below.find('|', begin), below.size());
      add(below.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::vector<std::string> names_of(const std::vector<const CLI::App*>& commands) {
  std::vector<std::string> out;
  for (const CLI::App* command : commands) out.push_back(command->get_name());
  return out;
}

// A function that says by the path of a command what of it there is.
template <typename Of>
std::string lookup(const char* name, const std::vector<Node>& nodes, Of of) {
  std::string out = std::string(name) + "() {\n  case $1 in\n";
  for (const Node& node : nodes) {
    const std::string what = of(node);
    if (!what.empty()) out += "    " + shell_quoted(node.path) + ") " + what + " ;;\n";
  }
  return out + "  esac\n}\n";
}

template <typename Of>
std::string echoed(const char* name, const std::vector<Node>& nodes, Of of) {
  return lookup(name, nodes, [&](const Node& node) {
    const std::string words = joined(of(node));
    return words.empty() ? words : "echo " + shell_quoted(words);
  });
}

// Descriptions end with their first sentence; a colon would end a name.
std::string described(const std::vector<const CLI::App*>& commands) {
  std::string out;
  for (const CLI::App* command : commands) {
    const std::string help = command->get_description();
    std::string text = command->get_name() + ":";
    for (const char c : help.substr(0, std::min(help.find(". "), help.size())))
      text += c == ':' ? std::string("\\:") : std::string(1, c);
    if (text.ends_with('.')) text.pop_back();
    out += (out.empty() ? "" : " ") + shell_quoted(text);
  }
  return out;
}

constexpr std::string_view bash_body = R"sh(_ringfence() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} at= before= words= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ -n $word ]] || continue
    case " $(_ringfence_commands "$at") " in *" $word "*) at=${at:+$at }$word ;; esac
  done
  # Bash takes "=" for a word of its own.
  if [[ $cur == = ]]; then
    before=$prev=
    cur=
  elif [[ $prev == = ]] && ((COMP_CWORD > 2)); then
    before=${COMP_WORDS[COMP_CWORD-2]}=
    prev=${COMP_WORDS[COMP_CWORD-2]}
  fi
  case $prev in
    @FILES@) compopt -o default; return ;;
    --context) words=$("${COMP_WORDS[0]}" context list --names 2>/dev/null); before= ;;
    @VALUES@) return ;;
    *)
      words=$(_ringfence_words "$at")
      [[ $words != '<contexts>' ]] || words=$("${COMP_WORDS[0]}" context list --names 2>/dev/null)
      [[ -n $before ]] || words="$words $(_ringfence_commands "$at")"
      [[ $cur != -* ]] || words=$(_ringfence_options "$at")
      ;;
  esac
  while IFS= read -r word; do
    word=${word#"$before"}
    [[ -z $word ]] || COMPREPLY+=("$word")
  done < <(compgen -W "$words" -- "$before$cur")
  [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}
complete -F _ringfence ringfence
)sh";

constexpr std::string_view zsh_body = R"sh(_ringfence() {
  local at= word prev=$words[CURRENT-1] cur=$words[CURRENT]
  local -a reply found
  integer i
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    reply=()
    _ringfence_commands "$at"
    [[ -n $word ]] && (( ${reply[(I)${(b)word}:*]} )) && at=${at:+$at }$word
  done
  case $prev in
    @FILES@) _files; return ;;
    --context) found=(${(f)"$($words[1] context list --names 2>/dev/null)"}); compadd -a found; return ;;
    @VALUES@) return ;;
  esac
  if [[ $cur == -* ]]; then
    found=(${=$(_ringfence_options "$at")})
    compadd -a found
    return
  fi
  reply=()
  _ringfence_commands "$at"
  (( $#reply )) && _describe command reply
  found=(${=$(_ringfence_words "$at")})
  [[ "$found" == '<contexts>' ]] && found=(${(f)"$($words[1] context list --names 2>/dev/null)"})
  reply=(${found:#*=})
  (( $#reply )) && compadd -a reply
  reply=(${(M)found:#*=})
  (( $#reply )) && compadd -S '' -a reply
  return 0
}
if [[ $funcstack[1] == _ringfence ]]; then
  _ringfence "$@"
else
  compdef _ringfence ringfence
fi
)sh";

std::string filled(std::string_view body, const CLI::App& root) {
  std::string out(body);
  const std::string values = value_options(root);
  out.replace(out.find("@FILES@"), 7, file_options);
  out.replace(out.find("@VALUES@"), 8, values);
  return out;
}

std::vector<Node> nodes_of(const CommandTree& tree) {
  std::vector<Node> out;
  collect(tree, tree.root(), "", out);
  return out;
}

}  // namespace

std::string bash_completion(const CommandTree& tree) {
  const std::vector<Node> nodes = nodes_of(tree);
  return "# Completion of ringfence for bash, made by: ringfence completion bash\n" +
         echoed("_ringfence_commands", nodes, [](const Node& node) { return names_of(node.commands); }) +
         echoed("_ringfence_options", nodes, [](const Node& node) { return node.options; }) +
         echoed("_ringfence_words", nodes, [](const Node& node) { return node.words; }) +
         filled(bash_body, tree.root());
}

std::string zsh_completion(const CommandTree& tree) {
  const std::vector<Node> nodes = nodes_of(tree);
  return "#compdef ringfence\n# Completion of ringfence for zsh, made by: ringfence completion zsh\n" +
         lookup("_ringfence_commands", nodes,
                [](const Node& node) {
                  const std::string all = described(node.commands);
                  return all.empty() ? all : "reply=(" + all + ")";
                }) +
         echoed("_ringfence_options", nodes, [](const Node& node) { return node.options; }) +
         echoed("_ringfence_words", nodes, [](const Node& node) { return node.words; }) +
         filled(zsh_body, tree.root());
}

void add_completion_command(CommandTree& tree) {
  CLI::App& group = tree.group("completion", "Print a script that completes the command line in a shell.");
  tree.add_local(group, "bash", "For bash: . <(ringfence completion bash)", [&tree]() -> Outcome<void> {
    print(bash_completion(tree));
    return {};
  });
  tree.add_local(group, "zsh", "For zsh: . <(ringfence completion zsh)", [&tree]() -> Outcome<void> {
    print(zsh_completion(tree));
    return {};
  });
}

}  // namespace ringfence::client
