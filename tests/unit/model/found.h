// Defects as a test reads them.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "ringfence/model/defect.h"

// The only defect: "pool.max: is 3, more than …".
inline std::string only(const ringfence::model::Defects& defects) {
  std::string all;
  for (const auto& defect : defects) all += (all.empty() ? "" : "\n") + defect.path + ": " + defect.message;
  INFO(all);
  CHECK(defects.size() == 1);
  return all;
}

inline void starts(const std::string& text, const std::string& with) {
  CHECK_MESSAGE(text.starts_with(with), text << " does not start with " << with);
}
