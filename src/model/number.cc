#include "ringfence/model/number.h"

namespace ringfence::model {

std::string check_number(uint64_t value, const Range& range) {
  if (value >= range.min && value <= range.max) return "";
  return "is " + std::to_string(value) + "; use a whole number from " + std::to_string(range.min) + " to " +
         std::to_string(range.max);
}

}  // namespace ringfence::model
