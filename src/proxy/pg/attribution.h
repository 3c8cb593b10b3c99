// The ends of a session's statements, as the server's answers tell them: each becomes an outcome in the
// trail, or a contradiction of what the trail has.
#pragma once

#include "ringfence/pg/response_queue.h"
#include "ringfence/proxy/core/snapshot.h"

namespace ringfence::proxy {

struct Exchange;

class Attribution final : public pg::StatementObserver {
 public:
  explicit Attribution(Exchange& exchange) : x_(exchange) {}

  // What follows from an answer that contradicts the trail.
  void use_witness(AttributionWitness witness) { witness_ = witness; }
  // The session is broken because the server's answers contradict what was recorded.
  bool is_contradicted() const { return is_contradicted_; }
  // The answers fit no statement that was sent.
  void note_strays();
  // Whether the error that comes next is one of ours, of which everything is told already.
  void note_refusal(bool is_refusal) { is_refusal_ = is_refusal; }

 private:
  void done(const pg::Completion& completion) override;
  void error_outside(const pg::ErrorFields& error, const pg::StatementText* text) override;
  void contradicted(const pg::Completion& completion);
  void warn_of_change(const pg::Completion& completion);

  Exchange& x_;
  AttributionWitness witness_ = AttributionWitness::report;
  bool is_contradicted_ = false;
  bool has_told_strays_ = false;
  bool is_refusal_ = false;
};

}  // namespace ringfence::proxy
