#include "ringfence/ring/workers.h"

#include <pthread.h>

namespace ringfence::ring {

Workers::Workers(unsigned threads, size_t backlog_max) : jobs_(backlog_max) {
  for (unsigned i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), "rf-worker");
      run();
    });
  }
}

Workers::~Workers() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool run_on_large_stack(size_t stack_bytes, const std::function<void()>& work) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_t thread;
  const auto run = [](void* job) -> void* {
    (*static_cast<const std::function<void()>*>(job))();
    return nullptr;
  };
  void* job = const_cast<std::function<void()>*>(&work);
  const bool is_running = pthread_attr_setstacksize(&attributes, stack_bytes) == 0 &&
                          pthread_create(&thread, &attributes, run, job) == 0;
  pthread_attr_destroy(&attributes);
  if (is_running) pthread_join(thread, nullptr);
  return is_running;
}

bool Workers::post(Job job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_ == jobs_.size()) return false;
    jobs_[(first_ + waiting_) % jobs_.size()] = std::move(job);
    ++waiting_;
  }
  ready_.notify_one();
  return true;
}

void Workers::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || waiting_ > 0; });
      if (waiting_ == 0) return;
      job = std::move(jobs_[first_]);
      first_ = (first_ + 1) % jobs_.size();
      --waiting_;
    }
    job();
  }
}

}  // namespace ringfence::ring
