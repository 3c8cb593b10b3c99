// The commands of every noun of the model, and of some nouns a few more.
#include <algorithm>
#include <memory>

#include "command_tree.h"
#include "field_text.h"
#include "records.h"

namespace ringfence::client {

using model::Exposure;
using model::Field;
using model::Noun;

namespace {

// "access-requests" and what people call them.
std::string command_of(const Noun& noun) {
  std::string out(noun.plural);
  std::replace(out.begin(), out.end(), '_', '-');
  return out == "access-requests" ? "requests" : out;
}

std::string words_help(const Noun& noun) {
  std::string out = "FIELD=VALUE: ";
  for (const Field& field : noun.fields) {
    if (field.exposure != Exposure::open || field.name == "name") continue;
    out += (out.ends_with(' ') ? "" : ", ") + std::string(field.name);
  }
  return out;
}

std::string filters_help(const Noun& noun) {
  std::string out;
  for (const Field& field : noun.fields) {
    if (field.is_filter)
      out += (out.empty() ? "Only records with FIELD=VALUE: " : ", ") + std::string(field.name);
  }
  return out;
}

void add_list(CommandTree& tree, CLI::App& group, const Noun& noun) {
  auto options = std::make_shared<ListOptions>();
  CLI::App& list = tree.add(group, "list", "List " + std::string(noun.plural) + ".",
                            [&tree, &noun, options] { return list_records(tree.common(), noun, *options); });
  list.add_option("filters", options->filters, filters_help(noun))->option_text("FIELD=VALUE ...");
  list.add_option("--sort", options->sort, "A field in whose order they stand; -FIELD: the other way round");
  add_list_options(list, *options);
  tree.complete(list, field_words(noun, "list"));
}

void add_show(CommandTree& tree, CLI::App& group, const Noun& noun) {
  auto id = std::make_shared<std::string>();
  CLI::App& show = tree.add(group, "show", "Show one with all its fields.",
                            [&tree, &noun, id] { return show_record(tree.common(), noun, *id); });
  show.add_option("id", *id, "Its name or id")->required()->option_text("ID");
}

// --password, --password-stdin, and the same of each other field that is never shown.
void add_secrets(CLI::App& command, const Noun& noun, WriteOptions& options) {
  for (const Field& field : noun.fields) {
    if (field.exposure == Exposure::write_only) options.secrets.push_back({.field = &field});
  }
  for (SecretOption& secret : options.secrets) {
    std::string name = "--" + std::string(secret.field->name);
    std::replace(name.begin(), name.end(), '_', '-');
    CLI::Option* asked = command.add_flag(name, secret.is_asked, "Ask for it on the terminal");
    command.add_flag(name + "-stdin", secret.is_read, "Read it from a line of standard input")
        ->excludes(asked);
  }
}

void add_create(CommandTree& tree, CLI::App& group, const Noun& noun) {
  auto options = std::make_shared<WriteOptions>();
  CLI::App& create = tree.add(group, "create", "Create one.", [&tree, &noun, options] {
    return create_record(tree.common(), noun, *options);
  });
  const bool has_name = noun.has_name();
  create.add_option("fields", options->words, (has_name ? "The name, then " : "") + words_help(noun))
      ->option_text(has_name ? "[NAME] FIELD=VALUE ..." : "FIELD=VALUE ...");
  create.add_option("--file,-f", options->file, "A JSON object with fields; -: standard input");
  add_secrets(create, noun, *options);
  tree.complete(create, field_words(noun, "create"));
}

void add_update(CommandTree& tree, CLI::App& group, const Noun& noun) {
  auto options = std::make_shared<WriteOptions>();
  auto id = std::make_shared<std::string>();
  CLI::App& update =
      tree.add(group, "update", "Change what is given; null takes a value away, +x and -x change a list.",
               [&tree, &noun, id, options] { return update_record(tree.common(), noun, *id, *options); });
  update.alias("set");
  update.add_option("id", *id, "Its name or id")->required()->option_text("ID");
  update.add_option("fields", options->words, words_help(noun))->option_text("FIELD=VALUE ...");
  update.add_option("--file,-f", options->file, "A JSON object with fields; -: standard input");
  update.add_option("--if-version", options->version, "Only if the record still has this version")
      ->check(CLI::PositiveNumber);
  add_secrets(update, noun, *options);
  tree.complete(update, field_words(noun, "update"));
}

void add_delete(CommandTree& tree, CLI::App& group, const Noun& noun) {
  auto options = std::make_shared<DeleteOptions>();
  CLI::App& remove = tree.add(group, "delete", "Delete; asks before.", [&tree, &noun, options] {
    return delete_records(tree.common(), noun, *options);
  });
  remove.add_option("ids", options->ids, "Names or ids")->required()->option_text("ID ...");
  remove.add_flag("--yes,-y", options->is_agreed, "Do not ask");
  remove.add_option("--if-version", options->version, "Only if the record still has this version")
      ->check(CLI::PositiveNumber);
}

void add_password(CommandTree& tree, CLI::App& group) {
  auto options = std::make_shared<PasswordOptions>();
  CLI::App& password = tree.add(group, "password", "Set a user's password, or change your own.",
                                [&tree, options] { return set_password(tree.common(), *options); });
  password.add_option("user", options->user, "The user; nothing: you, who give the current one, too")
      ->option_text("USER");
  password.add_flag("--password-stdin", options->is_read,
                    "Read it from standard input; your own: the current one, then the new one");
  password.add_flag("--must-change", options->must_change,
                    "The user has to set another one before anything else");
}

}  // namespace

void add_record_commands(CommandTree& tree) {
  for (const Noun* noun : model::nouns()) {
    const std::string command = command_of(*noun);
    CLI::App& group = tree.group(command, std::string(noun->description));
    add_list(tree, group, *noun);
    add_show(tree, group, *noun);
    add_create(tree, group, *noun);
    if (noun->is_request) add_request_verbs(tree, group);
    else add_update(tree, group, *noun);
    add_delete(tree, group, *noun);
    if (noun->name == "user") add_password(tree, group);
    if (noun->name == "target") add_target_test(tree, group);
    if (noun->name == "policy") add_policy_explain(tree, group);
  }
}

}  // namespace ringfence::client
