// What a session knows for the watch of its target (watch.h).
#pragma once

#include <cstdint>

#include "shown_texts.h"

namespace ringfence::proxy {

struct WatchedSession {
  ShownTexts texts;
  uint64_t sent = 0;         // How many texts went to the server.
  uint64_t compared = 0;     // How many that were when the server last showed the right one.
  uint64_t told = 0;         // How many that were when the server last showed another one.
  bool is_doubtful = false;  // A name was used that may stand for something else.
};

}  // namespace ringfence::proxy
