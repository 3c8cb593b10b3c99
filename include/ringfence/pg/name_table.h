// Objects by their own names, in as little memory as that takes: most sessions have none or a few.
//
// Open addressing: a table of references, a power of two of them and at most three quarters in use, in which
// an object stands at the first free place from that of its name's hash on. Clients choose the names, so the
// hash has a key that they do not know; it is given with each call, the same one always, for a table has no
// room for it. What always holds: between that place and its own there is no free one; but for a few places
// the table has at most eight for each object.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "ringfence/base/keyed_hash.h"
#include "ringfence/pg/session_objects.h"

namespace ringfence::pg {

template <typename T>
class NameTable {
 public:
  // A table of no more is kept when it is empty, so that one name which comes and goes allocates nothing.
  static constexpr uint32_t kept_places_max = 8;

  NameTable() = default;
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  // Null: no object has that name.
  T* find(const HashKey& key, std::string_view name) const {
    if (size_ == 0) return nullptr;
    for (uint32_t at = home(key, name);; at = next(at)) {
      T* object = slots_[at].get();
      if (object == nullptr || object->name == name) return object;
    }
  }
  // None has that name.
  void add(const HashKey& key, const Ref<T>& object) {
    if ((size_ + 1) * 4 > capacity_ * 3) resize(key, capacity_ == 0 ? 2 : capacity_ * 2);
    put(key, object);
    ++size_;
  }
  // Empty: none had that name.
  Ref<T> take(const HashKey& key, std::string_view name) {
    if (size_ == 0) return {};
    uint32_t at = home(key, name);
    for (; slots_[at] && slots_[at]->name != name; at = next(at)) {
    }
    if (!slots_[at]) return {};
    Ref<T> taken = std::move(slots_[at]);
    slots_[at] = {};
    --size_;
    // Those behind it move up as far as they may.
    for (uint32_t from = next(at); slots_[from]; from = next(from)) {
      const uint32_t wanted = home(key, slots_[from]->name);
      const bool may_move = ((from - wanted) & (capacity_ - 1)) >= ((from - at) & (capacity_ - 1));
      if (!may_move) continue;
      slots_[at] = std::move(slots_[from]);
      slots_[from] = {};
      at = from;
    }
    // To a quarter in use, so that it takes as many names again before the table changes its size.
    if (capacity_ > kept_places_max && size_ * 8 <= capacity_) resize(key, capacity_ / 2);
    return taken;
  }
  // `leave` sees each object before it goes.
  template <typename Leave>
  void clear(Leave&& leave) {
    if (size_ == 0) return;
    for (uint32_t i = 0; i < capacity_; ++i) {
      if (!slots_[i]) continue;
      leave(*slots_[i]);
      slots_[i] = {};
    }
    size_ = 0;
    if (capacity_ <= kept_places_max) return;
    slots_.reset();
    capacity_ = 0;
  }
  void clear() {
    clear([](T&) {});
  }
  uint32_t size() const { return size_; }
  uint32_t places() const { return capacity_; }

 private:
  uint32_t home(const HashKey& key, std::string_view name) const {
    return static_cast<uint32_t>(keyed_hash(key, name)) & (capacity_ - 1);
  }
  uint32_t next(uint32_t at) const { return (at + 1) & (capacity_ - 1); }
  void put(const HashKey& key, Ref<T> object) {
    uint32_t at = home(key, object->name);
    while (slots_[at]) at = next(at);
    slots_[at] = std::move(object);
  }
  void resize(const HashKey& key, uint32_t places) {
    std::unique_ptr<Ref<T>[]> old = std::move(slots_);
    const uint32_t old_capacity = capacity_;
    capacity_ = places;
    slots_ = std::make_unique<Ref<T>[]>(capacity_);
    for (uint32_t i = 0; i < old_capacity; ++i) {
      if (old[i]) put(key, std::move(old[i]));
    }
  }

  std::unique_ptr<Ref<T>[]> slots_;
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
};

}  // namespace ringfence::pg
