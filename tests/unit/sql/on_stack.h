// Runs work on a thread with a stack of so many bytes.
#pragma once

#include <doctest/doctest.h>
#include <pthread.h>

template <typename Work>
void on_stack(size_t bytes, Work work) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  const auto run = [](void* arg) -> void* {
    (*static_cast<Work*>(arg))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &work) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}
