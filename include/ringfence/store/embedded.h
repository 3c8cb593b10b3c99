// The embedded store: a private PostgreSQL cluster in the state directory.
//
// It listens on a Unix socket in a 0700 directory and nowhere else, runs as an unprivileged user, and ends
// with the process that owns this object, however that process ends. One supervising thread starts the
// server, restarts it when it dies, and stops it.
#pragma once

#include <memory>
#include <string>

#include "ringfence/base/result.h"

namespace ringfence::store {

struct EmbeddedOptions {
  std::string state_directory;  // The cluster lives in <state>/store; the folder is made.
  std::string bin_dir;          // store.bin_dir; empty: newest of /usr/lib/postgresql/*/bin, else PATH.
  std::string run_as;           // store.run_as, when root: empty: ringfence, postgres or nobody.
  int start_timeout_ms = 60'000;
  int stop_timeout_ms = 20'000;
  // For who only looks: a cluster that is there is started so that transactions write nothing, and one that a
  // server is running on already is left alone, which is an error.
  bool is_read_only = false;
};

class EmbeddedStore {
 public:
  explicit EmbeddedStore(EmbeddedOptions options);
  ~EmbeddedStore();  // Stops.
  EmbeddedStore(const EmbeddedStore&) = delete;
  EmbeddedStore& operator=(const EmbeddedStore&) = delete;

  // Creates the cluster when there is none, stops a server left over there, starts, waits until it answers,
  // makes the database. Errors name the cause and the cure.
  Result<void> start();
  // Fast shutdown; immediate after the timeout.
  void stop();

  bool is_running() const;
  int pid() const;            // Of the postmaster; 0 when it does not run.
  unsigned restarts() const;  // Times that it had to be started again.

  // key=value connection strings; valid after start().
  std::string owner_dsn() const;    // Migrations and partitions.
  std::string writer_dsn() const;   // May insert into the trail and move the checkpoint.
  std::string reader_dsn() const;   // May read.
  std::string control_dsn() const;  // Owns what is managed by the API, and sees nothing else.
  std::string socket_directory() const;
  std::string log_file() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringfence::store
