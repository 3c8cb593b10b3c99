#include "ringfence/model/collections.h"

#include <map>
#include <set>

#include "ringfence/base/utf8.h"
#include "ringfence/model/text_rules.h"

namespace ringfence::model {

namespace {

template <typename Value>
Defects defects_of(const std::vector<Value>& values, const std::string& kind, size_t values_max) {
  Defects out;
  const std::string list = kind + "s";
  if (values.size() > values_max)
    out.push_back({list, "has more than " + std::to_string(values_max) + " entries"});
  std::map<std::string_view, std::string> names;  // And the path of the first one.
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string path = path_of(list, i);
    add_defects(out, path, defects(values[i]));
    const std::string& name = values[i].name;
    if (name.empty()) continue;
    auto [first, is_new] = names.emplace(name, path + ".name");
    if (is_new) continue;
    out.push_back({path + ".name",
                   "\"" + make_valid_text(name) + "\" stands here for the second time, first as " +
                       first->second + "; each " + kind.substr(kind.find('_') + 1) +
                       " needs a name of its own",
                   first->second});
  }
  return out;
}

// The same text for each way to write a place; empty where none is taken.
std::string normal_name(const ListeningPlace& place) {
  if (place.address.starts_with("/")) return place.address;
  return place.port == 0 ? "" : socket_name(place.address, place.port);
}

}  // namespace

Defects defects(const std::vector<User>& users) { return defects_of(users, "user", users_max); }
Defects defects(const std::vector<PgTarget>& targets) { return defects_of(targets, "target", targets_max); }
Defects defects(const std::vector<TcpTarget>& targets) {
  return defects_of(targets, "tcp_target", targets_max);
}

Defects defects_between(const std::vector<PgTarget>& targets, const std::vector<TcpTarget>& tcp_targets,
                        const std::vector<Listener>& listeners) {
  Defects out;
  std::map<std::string_view, std::string> others;
  for (size_t i = 0; i < targets.size(); ++i)
    others.emplace(targets[i].name, path_of("targets", i) + ".name");
  std::set<std::string_view> known;
  for (size_t i = 0; i < tcp_targets.size(); ++i) {
    const std::string& name = tcp_targets[i].name;
    known.insert(name);
    const auto other = others.find(name);
    if (name.empty() || other == others.end()) continue;
    out.push_back({path_of("tcp_targets", i) + ".name",
                   "\"" + make_valid_text(name) + "\" stands here for the second time, first as " +
                       other->second + "; each target needs a name of its own",
                   other->second});
  }
  for (size_t i = 0; i < listeners.size(); ++i) {
    const Listener& one = listeners[i];
    if (!one.is_tcp() || one.target.empty() || known.contains(one.target)) continue;
    const std::string name = "\"" + make_valid_text(one.target) + "\"";
    out.push_back(
        {path_of("listeners", i) + ".target",
         others.contains(one.target)
             ? "is " + name + ", a target of type postgres; use protocol postgres, or a target of type tcp"
             : "is " + name + ", and there is no such target; add it, with type tcp"});
  }
  return out;
}

Defects defects(const std::vector<Listener>& listeners) {
  return defects_of(listeners, "listener", listeners_max);
}

std::vector<ListeningPlace> places(const std::vector<Listener>& listeners) {
  std::vector<ListeningPlace> out;
  for (size_t i = 0; i < listeners.size(); ++i) {
    const Listener& one = listeners[i];
    const std::string path = path_of("listeners", i);
    if (one.path.empty()) out.push_back({one.address, one.port, path + ".port"});
    else out.push_back({one.path, 0, path + ".path"});
  }
  return out;
}

Defects taken_twice(const std::vector<ListeningPlace>& places) {
  Defects out;
  std::map<std::string, std::string> taken;  // And the path of the first one.
  for (const ListeningPlace& place : places) {
    const std::string name = normal_name(place);
    if (name.empty()) continue;
    auto [first, is_new] = taken.emplace(name, place.path);
    if (is_new) continue;
    out.push_back({place.path,
                   name + " is listened on twice, first as " + first->second + "; change one of them",
                   first->second});
  }
  return out;
}

}  // namespace ringfence::model
