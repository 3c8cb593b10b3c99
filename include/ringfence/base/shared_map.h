// A map by name whose copies share what they have in common: to copy it, to change one entry of a copy and to
// drop it costs the same whatever its size. Entries stay where they are as long as some copy has them.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringfence {

template <typename T>
class SharedMap {
 public:
  // Null: there is none. Valid as long as a map has the entry unchanged.
  const T* find(std::string_view name) const {
    const Bucket* bucket = buckets_[place_of(name)].get();
    if (bucket == nullptr) return nullptr;
    for (const Entry& entry : *bucket) {
      if (entry.first == name) return entry.second.get();
    }
    return nullptr;
  }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // This map's own: what others have does not change by it. One that is not there is made.
  T& operator[](std::string_view name) {
    Bucket& bucket = own(place_of(name));
    for (Entry& entry : bucket) {
      if (entry.first != name) continue;
      if (entry.second.use_count() > 1) entry.second = std::make_shared<T>(*entry.second);
      return *entry.second;
    }
    ++size_;
    bucket.emplace_back(name, std::make_shared<T>());
    return *bucket.back().second;
  }
  // In the place of what may be there.
  void set(std::string_view name, std::shared_ptr<T> value) {
    Bucket& bucket = own(place_of(name));
    for (Entry& entry : bucket) {
      if (entry.first != name) continue;
      entry.second = std::move(value);
      return;
    }
    ++size_;
    bucket.emplace_back(name, std::move(value));
  }
  void set(std::string_view name, T value) { set(name, std::make_shared<T>(std::move(value))); }
  void erase(std::string_view name) {
    if (find(name) == nullptr) return;
    std::erase_if(own(place_of(name)), [&](const Entry& entry) { return entry.first == name; });
    --size_;
  }

  // In no order: pairs of a name and a value.
  class Iterator {
   public:
    std::pair<const std::string&, const T&> operator*() const {
      const Entry& entry = (*map_->buckets_[bucket_])[place_];
      return {entry.first, *entry.second};
    }
    Iterator& operator++() {
      ++place_;
      settle();
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return bucket_ == other.bucket_ && place_ == other.place_;
    }

   private:
    friend class SharedMap;
    Iterator(const SharedMap& map, size_t bucket) : map_(&map), bucket_(bucket) { settle(); }
    void settle() {
      while (bucket_ < buckets_count &&
             (!map_->buckets_[bucket_] || place_ == map_->buckets_[bucket_]->size())) {
        ++bucket_;
        place_ = 0;
      }
    }
    const SharedMap* map_;
    size_t bucket_;
    size_t place_ = 0;
  };
  Iterator begin() const { return Iterator(*this, 0); }
  Iterator end() const { return Iterator(*this, buckets_count); }

 private:
  using Entry = std::pair<std::string, std::shared_ptr<T>>;
  using Bucket = std::vector<Entry>;
  static constexpr size_t buckets_count = 256;

  static size_t place_of(std::string_view name) {
    return std::hash<std::string_view>()(name) % buckets_count;
  }
  Bucket& own(size_t place) {
    std::shared_ptr<Bucket>& bucket = buckets_[place];
    if (!bucket) bucket = std::make_shared<Bucket>();
    else if (bucket.use_count() > 1) bucket = std::make_shared<Bucket>(*bucket);
    return *bucket;
  }

  std::array<std::shared_ptr<Bucket>, buckets_count> buckets_;
  size_t size_ = 0;
};

}  // namespace ringfence
