// Where the key ring comes from: the first of these that is given.
#pragma once

#include <string>

#include "ringfence/model/secret.h"

namespace ringfence::control {

struct KeySource {
  std::string file;        // That the configuration names.
  std::string credential;  // The file ringfence.keys of systemd's credentials.
  model::Secret text;      // Of the environment, base64 taken away.
  // Else control.keys in the state directory, which is made where it is missing.
};

}  // namespace ringfence::control
