// Answers a question about the policies of a snapshot, with the event that says so.
#pragma once

#include <string>

#include "ringfence/audit/sealing.h"
#include "ringfence/control/questions.h"

namespace ringfence::app {

// `sealer`: with what a redacted statement is sealed; null: it is not kept. May take seconds.
control::Answered answer_question(const proxy::Snapshot& snapshot, const std::string& question,
                                  const std::string& by, const audit::TextSealer* sealer);

}  // namespace ringfence::app
