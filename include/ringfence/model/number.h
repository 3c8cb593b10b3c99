// Numbers within bounds, and values that have names. A value of the model lists its numbers once, by
// each_number(); who reads, checks or shows it goes through that list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ringfence::model {

enum class Unit : uint8_t { count, bytes, milliseconds };

struct Range {
  uint64_t min = 0;
  uint64_t max = 0;
  Unit unit = Unit::count;
};

// What is wrong and what to do, or an empty text.
std::string check_number(uint64_t value, const Range& range);

inline constexpr uint64_t kib = 1024;
inline constexpr uint64_t mib = 1024 * kib;
inline constexpr uint64_t gib = 1024 * mib;
inline constexpr uint64_t day_ms = 86'400'000;

// The name of an enumeration's value, as configuration has it.
template <typename T>
struct Named {
  std::string_view name;
  T value;
};

template <typename T, size_t count>
std::string_view name_of(T value, const Named<T> (&names)[count]) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  return "";
}

// Nothing: no value has this name.
template <typename T, size_t count>
std::optional<T> value_of(std::string_view name, const Named<T> (&names)[count]) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace ringfence::model
