#include "config_sections.h"
#include "config_tls.h"
#include "ringfence/model/collections.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::app {

namespace {

// A path or an address with its port.
void read_place(Section& section, model::Listener& listener) {
  std::string_view which;
  const auto where = section.one_of({"path", "address"}, &which);
  if (!where) return;
  if (which == "address") {
    listener.address = where->text;
    return;
  }
  if (section.has("port")) section.error("port", "has no meaning beside a path; remove one of them");
  if (where->text.empty()) {  // In the model that is a listener without a path.
    section.context().error(where->origin, model::check_socket_path(where->text));
    return;
  }
  listener.path = where->text;
  listener.address.clear();
  listener.tls = model::ListenerTls::off;
}

model::Listener read_listener(Section& section, const TlsFiles& defaults) {
  model::Listener listener;
  section.text("name", listener.name);
  section.choice<std::string>("protocol", listener.protocol, {{"postgres", "postgres"}});
  read_place(section, listener);
  section.numbers(listener);
  read_listener_tls(section, defaults, listener);
  section.finish();
  return listener;
}

}  // namespace

void read_listeners(Section& root, Config& config) {
  auto sections = root.list("listeners", model::listeners_max);
  if (sections.empty())
    root.error("listeners", "is missing or empty; add at least one, as in `- {name: main, port: 6432}`");
  for (Section& section : sections) config.listeners.push_back(read_listener(section, config.tls));
}

}  // namespace ringfence::app
