// Objects by their own names, in as little memory as that takes: most sessions have none or a few.
//
// Open addressing: a table of references, a power of two of them and at most three quarters in use, in which an object
// stands at the first free place from that of its name's hash on. What always holds: between that place and its own
// there is no free one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

template <typename T>
class NameTable {
 public:
  NameTable() = default;
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  // Null: no object has that name.
  T* find(std::string_view name) const {
    if (size_ == 0) return nullptr;
    for (uint32_t at = home(name);; at = next(at)) {
      T* object = slots_[at].get();
      if (object == nullptr || object->name == name) return object;
    }
  }
  // None has that name.
  void add(const Ref<T>& object) {
    if ((size_ + 1) * 4 > capacity_ * 3) grow();
    put(object);
    ++size_;
  }
  // Empty: none had that name.
  Ref<T> take(std::string_view name) {
    if (size_ == 0) return {};
    uint32_t at = home(name);
    for (; slots_[at] && slots_[at]->name != name; at = next(at)) {}
    if (!slots_[at]) return {};
    Ref<T> taken = std::move(slots_[at]);
    slots_[at] = {};
    if (--size_ == 0) {
      clear();
      return taken;
    }
    // Those behind it move up as far as they may.
    for (uint32_t from = next(at); slots_[from]; from = next(from)) {
      const uint32_t wanted = home(slots_[from]->name);
      const bool may_move = ((from - wanted) & (capacity_ - 1)) >= ((from - at) & (capacity_ - 1));
      if (!may_move) continue;
      slots_[at] = std::move(slots_[from]);
      slots_[from] = {};
      at = from;
    }
    return taken;
  }
  void clear() {
    slots_.reset();
    capacity_ = size_ = 0;
  }
  uint32_t size() const { return size_; }

 private:
  uint32_t home(std::string_view name) const {
    return static_cast<uint32_t>(std::hash<std::string_view>()(name)) & (capacity_ - 1);
  }
  uint32_t next(uint32_t at) const { return (at + 1) & (capacity_ - 1); }
  void put(Ref<T> object) {
    uint32_t at = home(object->name);
    while (slots_[at]) at = next(at);
    slots_[at] = std::move(object);
  }
  void grow() {
    std::unique_ptr<Ref<T>[]> old = std::move(slots_);
    const uint32_t old_capacity = capacity_;
    capacity_ = capacity_ == 0 ? 2 : capacity_ * 2;
    slots_ = std::make_unique<Ref<T>[]>(capacity_);
    for (uint32_t i = 0; i < old_capacity; ++i) {
      if (old[i]) put(std::move(old[i]));
    }
  }

  std::unique_ptr<Ref<T>[]> slots_;
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
};

}  // namespace ringfence::pg
