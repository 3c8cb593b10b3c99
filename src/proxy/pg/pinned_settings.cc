#include "pinned_settings.h"

#include <algorithm>

#include "ringfence/proxy/core/bounds.h"
#include "startup_filter.h"

namespace ringfence::proxy {

Result<void> pin_strings(std::vector<pg::StartupParameter>& parameters) {
  const auto is_strings = [](const pg::StartupParameter& each) {
    return each.name == "standard_conforming_strings";
  };
  for (const pg::StartupParameter& parameter : parameters) {
    if (is_strings(parameter) && boolean_of(parameter.value) != true) {
      return fail(Fault::denied,
                  "startup parameter \"standard_conforming_strings\" can only be on; legacy_strings of the "
                  "target lifts that for users without restrictions");
    }
  }
  std::erase_if(parameters, is_strings);
  parameters.push_back({"standard_conforming_strings", "on"});
  return {};
}

bool names_encoding(const std::vector<pg::StartupParameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const pg::StartupParameter& each) { return each.name == "client_encoding"; });
}

std::string DefaultEncodings::login(std::string_view target, std::string_view database,
                                    std::string_view user) {
  std::string out(target);
  return out.append(1, '\0').append(database).append(1, '\0').append(user);
}

void DefaultEncodings::forget_before(uint64_t generation) {
  if (generation == generation_) return;
  generation_ = generation;
  encodings_.clear();
}

std::string_view DefaultEncodings::of(std::string_view login, uint64_t generation) {
  forget_before(generation);
  auto found = encodings_.find(std::string(login));
  return found == encodings_.end() ? std::string_view() : std::string_view(found->second);
}

void DefaultEncodings::note(std::string_view login, uint64_t generation, std::string_view encoding) {
  forget_before(generation);
  if (encodings_.size() >= default_encodings_max) encodings_.clear();
  encodings_[std::string(login)] = encoding;
}

}  // namespace ringfence::proxy
