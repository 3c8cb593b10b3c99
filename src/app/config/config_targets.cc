#include "config_files.h"
#include "config_sections.h"
#include "config_tls.h"
#include "ringfence/model/collections.h"

namespace ringfence::app {

namespace {

Secret read_password(Section& section) {
  auto password = read_secret(section, "password", "password_file");
  return password ? std::move(*password) : Secret();
}

void read_credentials(Section& section, model::PgTarget& target) {
  Section credentials = section.section("credentials");
  for (policy::Level level :
       {policy::Level::read, policy::Level::write, policy::Level::ddl, policy::Level::admin}) {
    Section one = credentials.section(sql::level_name(level));
    model::Credential credential;
    one.text("user", credential.user);
    credential.password = read_password(one);
    one.finish();
    const bool is_given = one.has("user") || one.has("password") || one.has("password_file");
    if (is_given || credentials.has(sql::level_name(level)))
      target.credentials.emplace(level, std::move(credential));
  }
  credentials.finish();
}

void read_pool(Section& section, model::PoolRule& pool) {
  Section one = section.section("pool");
  const bool is_given = section.has("pool") || one.has("min") || one.has("max") || one.has("idle");
  one.numbers(pool);
  one.finish();
  if (!is_given || one.has("max")) return;
  one.error("max", "is missing; add how many connections may wait for a session, or 0 for none");
  pool = {};
}

model::PgTarget read_target(Section& section, const model::NameForm& usual_name) {
  model::PgTarget target;
  section.text("name", target.name);
  target.hosts = read_hosts(section);
  section.numbers(target);
  target.database = target.name;
  section.text("database", target.database);
  section.text("user", target.user);
  target.password = read_password(section);
  read_credentials(section, target);
  read_target_tls(section, target);
  for (auto& tag : section.texts("tags", model::target_tags_max)) target.tags.push_back(std::move(tag.text));
  section.boolean("allow_superuser_read", target.allow_superuser_read);
  section.boolean("legacy_strings", target.legacy_strings);
  section.choice("attribution_witness", target.attribution_witness, model::attribution_witness_names);
  section.choice<bool>("attribution_watch", target.attribution_watch, {{"on", true}, {"off", false}});
  target.application_name = usual_name;
  read_name_form(section, target.application_name);
  read_pool(section, target.pool);
  section.finish();
  return target;
}

}  // namespace

void read_name_form(Section& section, model::NameForm& form) {
  std::string text = form.text();
  section.text("application_name", text);
  if (auto parsed = model::NameForm::parse(text)) form = std::move(*parsed);
  else section.error("application_name", parsed.error().message);
}

std::vector<std::string> read_hosts(Section& section) {
  auto single = section.scalar("host");
  auto several = section.texts("hosts", model::target_hosts_max);
  const bool environment_decides = single && single->from_environment;
  if (single && !several.empty() && !environment_decides)
    section.error("hosts", "stands beside host; keep one of them");
  if (environment_decides || (single && several.empty())) several = {*single};
  std::vector<std::string> hosts;
  for (auto& host : several) hosts.push_back(std::move(host.text));
  return hosts;
}

void read_targets(Section& root, Config& config, Places& places) {
  std::vector<size_t> of_postgres, of_tcp;
  size_t place = 0;
  for (Section& section : root.list("targets", model::targets_max)) {
    bool is_tcp = false;
    section.choice<bool>("type", is_tcp, {{"postgres", false}, {"tcp", true}});
    if (is_tcp) config.tcp_targets.push_back(read_tcp_target(section));
    else config.targets.push_back(read_target(section, config.application_name));
    (is_tcp ? of_tcp : of_postgres).push_back(place++);
  }
  places.lists("targets", "targets", std::move(of_postgres));
  places.lists("tcp_targets", "targets", std::move(of_tcp));
}

}  // namespace ringfence::app
