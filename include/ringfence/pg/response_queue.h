// A model of the server, which says to which statement each of its answers belongs.
//
// What the client sends is pushed in order; what the server answers is applied in order. The model follows
// PostgreSQL's main loop: after an error in the extended protocol everything up to the next Sync is skipped;
// inside COPY IN Sync and Flush are swallowed, and CopyData, CopyDone and CopyFail outside of it are ignored;
// names of statements and portals change only when the server says so. ("Message Flow"; the rest is the
// server's behaviour.)
//
// What always holds: each statement that was pushed gets exactly one done() call, in the order of their
// pushes within a connection but for those that the server skips; ready() calls come from the server's
// answers only. No sequence of answers, however wrong, breaks the model: an answer that fits nothing is
// counted and ignored.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringfence/base/bytes.h"
#include "ringfence/pg/completion.h"
#include "ringfence/pg/copy_input.h"
#include "ringfence/pg/expected_answers.h"
#include "ringfence/pg/name_doubt.h"
#include "ringfence/pg/parse.h"
#include "ringfence/pg/pending_messages.h"
#include "ringfence/pg/server_name.h"
#include "ringfence/pg/session_names.h"
#include "ringfence/pg/skipped_group.h"

namespace ringfence::pg {

class ResponseQueue {
 public:
  ResponseQueue(ObjectPools& pools, StatementObserver& observer) : observer_(observer), names_(pools) {}
  ResponseQueue(const ResponseQueue&) = delete;
  ResponseQueue& operator=(const ResponseQueue&) = delete;

  // ---- What the client sends. `now_ns` is when. done() is called for `unrecorded_statement` too.

  // With what the next statement of the Query that is pushed next may be answered.
  void expect(uint16_t expected) { expected_.stage(expected); }
  // A Query message of `count` statements whose numbers begin at `first`. `continues`: the next push_query
  // holds more statements of the same message.
  void push_query(StatementNumber first, uint32_t count, uint64_t message_bytes, uint64_t now_ns,
                  bool continues = false);
  // A secret was taken out of the text of the Query pushed last.
  void mark_redacted();
  // The Query pushed last could not be cut into its statements: its one record ends with ReadyForQuery.
  void mark_uncut();
  // What the statements of the Query pushed last may run out of sight; see resolved().
  void mark_unseen(Unseen unseen);
  // For the statement `index` of the Query pushed last.
  void change_names(uint32_t index, NameChange change);
  void push_parse(Ref<Prepared> prepared);
  // `unseen`: what planning may run out of sight.
  void push_bind(Ref<Portal> portal, Unseen unseen = Unseen::none);
  // The Bind that made this portal has a record of its own: done() is called for that number when it is
  // answered, or at once where it was.
  void number_bind(Portal& portal, StatementNumber number, uint64_t now_ns);
  void push_describe(bool is_portal, std::string_view name);
  void push_close(bool is_portal, std::string_view name);
  // `portal`: foreseen, or one of which only the name is known, as kept_name() has it.
  void push_execute(StatementNumber number, Ref<Portal> portal, uint64_t message_bytes, uint64_t now_ns,
                    Unseen unseen = Unseen::none);
  void push_function_call(StatementNumber number, uint64_t message_bytes, uint64_t now_ns,
                          Unseen unseen = Unseen::code);
  void push_sync();
  // Messages of the appliance's own in the middle of a sync group. While they are what is answered next, the
  // server's messages are not for this model but for who sent them; own_is_answered() ends that. An error
  // ends it as any message.
  void push_own();
  // A Close and a Parse of the appliance's own, by which a name stands again for what is known of it. The
  // server's answers to them are nobody's. `is_alone`: a Sync of its own ends them, and a failure is nobody's
  // either, so that a Query may follow. Where they fail the server has nothing by that name until it is
  // renewed again.
  void push_renewal(const Ref<Prepared>& prepared, bool is_alone);
  void push_copy_end();   // CopyDone or CopyFail.
  void push_bad_flush();  // One with a body: an error, as of any message of its sync group. Inside a COPY
                          // nobody looks at it.
  // Terminate: what comes behind it is not executed. The server reads it wherever it stands, also while it
  // skips to the next Sync; inside a COPY it is FATAL.
  void push_terminate() { has_ended_ = true; }
  void copy_data(uint64_t message_bytes) {
    if (Entry* entry = copied_into()) copy().data(copied_place(), entry->count, message_bytes);
  }

  // What a name will stand for if all that was sent before succeeds. Empty: not known.
  Ref<Prepared> foreseen_statement(std::string_view name) const;
  Ref<Portal> foreseen_portal(std::string_view name) const;
  // Whether a Bind that is sent now comes to the statement that is foreseen, or to none. It may come to
  // another where a Parse, a Close or a statement of SQL that was sent before, and is not answered, fails.
  bool is_foreseen_for_sure(std::string_view name) const;
  // What it comes to then, as far as it is there already.
  Ref<Prepared> present_statement(std::string_view name) const;

  // Names as the server keeps them. The encodings are as it has reported them; until it has, names that are
  // not ASCII stand for nothing that is known.
  void use_client_encoding(Encoding encoding) { encodings_.client = encoding; }
  void use_server_encoding(Encoding encoding) { encodings_.server = encoding; }
  // Sure unless something that ran since the server's last report may have changed the client's.
  NameEncodings encodings() const { return {encodings_.client, encodings_.server, last_run_ <= reported_}; }
  std::string kept_name(std::string_view sent);
  // Whether a name was sent that is not ASCII; where one was, it matters that what was pushed last, which
  // makes statements run, is known to leave the settings as they are.
  bool has_wide_names() const { return has_wide_names_; }
  void keeps_settings() { last_run_ = run_before_; }

  // What may have changed it out of sight, if all that was sent runs.
  Unseen doubt_of(const Prepared& prepared) const {
    return prepared.name.empty() ? Unseen::none : foreseen_.since(prepared.made_at);
  }
  Unseen doubt_of(const Portal& portal) const {
    return portal.name.empty() ? Unseen::none : foreseen_.since(portal.made_at);
  }
  Unseen doubt_since(uint64_t stamp) const { return foreseen_.since(stamp); }
  // Whether a name of which nothing is known may have been made out of sight.
  bool may_have_hidden_names(Unseen at_least) const { return foreseen_.any(at_least); }
  // Of the message pushed last.
  uint64_t stamp() const { return stamp_; }
  // Whether there is anything by a name.
  bool has_names() const { return names_.has_names() || pending_.has_naming(); }
  // The end of a transaction runs what was deferred, if anything may have been.
  Unseen resolved(Unseen unseen) const {
    if (unseen != Unseen::ends) return unseen;
    return may_defer_ ? Unseen::trigger : Unseen::none;
  }

  // ---- What the server answers. `bytes` is the whole message's length.

  void parse_complete(uint64_t bytes);
  void bind_complete(uint64_t bytes, uint64_t now_ns = 0);
  void close_complete(uint64_t bytes);
  // ParameterDescription; OIDs as in its body, after the count.
  void parameter_description(ByteView oids, uint64_t bytes);
  // RowDescription or NoData.
  void description(uint64_t bytes);
  void data_row(uint64_t bytes) {
    ++rows_;
    bytes_ += bytes;
  }
  void data_rows(uint64_t count, uint64_t bytes) {
    rows_ += count;
    bytes_ += bytes;
  }
  void other(uint64_t bytes) { bytes_ += bytes; }
  void copy_in_response(uint64_t bytes);
  void command_complete(std::string_view tag, uint64_t bytes, uint64_t now_ns);
  void empty_query(uint64_t bytes, uint64_t now_ns);
  void portal_suspended(uint64_t bytes, uint64_t now_ns);
  void function_call_response(uint64_t bytes, uint64_t now_ns);
  void error(const ErrorFields& fields, uint64_t bytes, uint64_t now_ns);
  void ready(TransactionStatus status);

  // The connection has ended: whatever is open ends as unknown, and from the place `unsent_from` on, which
  // never went out, as not executed.
  void abandon(uint64_t unsent_from = ~uint64_t{0});

  // ---- State

  bool is_empty() const { return pending_.is_empty(); }
  // Whether anything waits behind the group that is being answered: up to its Sync, or one Query or
  // FunctionCall.
  bool has_later_group() const;
  // A COPY failed, a Sync had been sent inside of it, and statements behind it: the answers cannot tell
  // whether the server swallowed that Sync and skipped them, or ran them. The connection has to end; what is
  // open is unknown. No known client does that.
  bool is_lost() const { return is_lost_; }
  // The server ignores what it reads until the next Sync, which was not sent yet.
  bool is_skipping() const { return skipping_; }
  size_t size() const { return pending_.size(); }
  // The place of the message that is pushed next; see abandon().
  uint64_t end_place() const { return pending_.end(); }
  TransactionStatus transaction() const { return transaction_; }
  // Whether a message without an answer may make names stand for something else, if it succeeds.
  bool names_may_change() const { return pending_.has_naming() || pending_changes() != 0; }
  // The same of what has a name at all.
  bool named_may_change() const {
    return pending_changes() != 0 ||
           (!pending_.is_empty() && last_named_ >= pending_.at(pending_.begin()).stamp);
  }
  // Whether a Parse is on its way that stands for a refused one.
  bool has_refusal() const { return refused_to_ > pending_.begin(); }
  // Name changes that wait for their statements' ends.
  size_t pending_changes() const { return rare_ ? rare_->changes.size() - rare_->changes_begin : 0; }
  // What names keep; see SessionNames.
  uint64_t kept_bytes() const { return names_.kept_bytes(); }
  // Answers that fitted nothing so far.
  uint64_t misfits() const { return misfits_; }
  // Whether an end of a statement was among them: something ran that has no record, or has ended before.
  bool has_stray_end() const { return has_stray_end_; }
  // When the oldest statement that is not done began, and its number; nothing if none is open.
  struct Running {
    StatementNumber number;
    uint64_t since_ns;
  };
  std::optional<Running> running() const;
  // The number of the refusal whose stand-in the next answer is to; 0: it is to something else.
  uint64_t answers_refusal();
  // Whether the next answer is to the appliance's own messages, and whether they wait for one at all.
  bool answers_own();
  // The same of the Close, Parse and Sync of a renewal, whose answers this model takes.
  bool answers_renewal(bool is_ready);
  // Whether an error that comes next is nobody's.
  bool hides_error();
  void own_is_answered() { pending_.pop(); }
  // The server reads copy data: what is no part of a COPY it refuses.
  bool is_in_copy() const { return copy_in_; }
  // Every answer so far has come: nothing runs and nothing is awaited.
  bool is_idle() const { return is_idle_before(~uint64_t{0}); }
  // The same of what was pushed before this place.
  bool is_idle_before(uint64_t place) const;

 private:
  using Entry = PendingMessage;
  using Kind = PendingMessage::Kind;

  Entry& push(Kind kind) {
    if (pending_.is_empty() && copy_) copy_->clear();
    Entry& entry = pending_.push(kind);
    entry.stamp = ++stamp_;
    return entry;
  }
  void foresee(Entry& entry, Unseen unseen);
  // The entry's message has run, or failed while it ran.
  void has_run(const Entry& entry) { seen_.note(entry.unseen, entry.stamp); }
  bool is_presumed(const Portal& ran) const {
    if (!ran.statement || ran.statement->refusal != 0) return false;
    return ran.is_presumed || (!ran.name.empty() && seen_.since(ran.made_at) != Unseen::none);
  }
  void keep_as_server_does(std::string& name);
  template <typename Fill>
  void push_naming(Kind kind, Fill&& fill);
  template <typename Fill>
  void push_running(Kind kind, uint64_t now_ns, Fill&& fill);
  bool is_skipped(Kind kind);
  // `ran`: of an Execute, the portal that the server came to; null: it is not known to have come to another.
  void finish(Entry& entry, StatementNumber number, Ending ending, std::string_view tag, uint64_t rows,
              const ErrorFields* error, uint64_t now_ns, const Portal* ran = nullptr);
  void finish(Entry& entry, Completion completion, uint64_t now_ns, const Portal* ran = nullptr);
  bool finish_bind(Entry& entry, Ref<Prepared> recorded, Ending ending, const ErrorFields* error,
                   uint64_t now_ns);
  uint64_t copied_place() const { return copy_in_ ? pending_.begin() : copy_place_; }
  Entry* copied_into();
  CopyInput& copy() {
    if (!copy_) copy_ = std::make_unique<CopyInput>();
    return *copy_;
  }
  Entry* answered();
  void doubtful_sync_answered(bool ends_skip);
  void skip_to_sync(const ErrorFields* fields, uint64_t now_ns);
  void skip(Entry& entry, uint64_t now_ns);
  void skip_statements(Entry& entry, uint64_t now_ns);
  Ref<Prepared> skipped_statement(std::string_view name) const {
    const auto named = skipped_->statement(name);
    return named ? *named : names_.statement(name);
  }
  Ref<Portal> skipped_portal(std::string_view name) const {
    const auto named = skipped_->portal(name);
    return named ? *named : names_.portal(name);
  }
  void tell_skipped();
  SkippedGroup& skipped() {
    if (!skipped_) skipped_ = std::make_unique<SkippedGroup>();
    return *skipped_;
  }
  SkippedGroup& behind_end() {
    if (!behind_end_) behind_end_ = std::make_unique<SkippedGroup>();
    return *behind_end_;
  }
  void end_skip();
  Ref<Portal> actual_portal(const Entry& entry);
  Ref<Portal> unknown_portal(const Entry& entry);
  void fail(const ErrorFields& fields, uint64_t now_ns);
  void end_by_fatal(uint64_t now_ns);
  void forget_swallowed_syncs();
  void error_in_query(Entry* entry, const ErrorFields& fields, uint64_t now_ns);
  void drop_changes_before(uint64_t stamp, uint32_t index);
  void forget_uncut() {
    if (!rare_) return;
    rare_->uncut_tag.clear();
    rare_->uncut_rows = 0;
  }
  std::optional<NameChange> take_change(const Entry& entry);
  uint16_t expected_of(const Entry& query) const {
    return query.completed == 0 ? query.expected : expected_.other(query.expected_at + query.completed - 1);
  }
  void misfit() { ++misfits_; }
  void stray_end() {
    has_stray_end_ = true;
    misfit();
  }
  void misfit_that_shifts() {
    ++misfits_;
    is_lost_ = true;
  }

  struct PendingChange {
    uint64_t stamp;  // Of its Query,
    uint32_t index;  // and the statement's place in it.
    NameChange change;

    bool is_before(uint64_t other, uint32_t place) const {
      return stamp < other || (stamp == other && index < place);
    }
  };

  StatementObserver& observer_;
  PendingMessages pending_;
  SessionNames names_;
  NameDoubt foreseen_;          // By what was sent,
  NameDoubt seen_;              // and by what was answered.
  uint64_t stamp_ = 0;          // Of the message pushed last.
  uint64_t last_named_ = 0;     // Of the last one that makes or drops something by a name.
  uint64_t last_changing_ = 0;  // Of the last one in which SQL does.
  uint64_t group_begin_ = 0;    // Of the last one behind which nothing is skipped for an error before it.
  uint64_t last_run_ = 0;       // Stamp of the last message that makes statements run,
  uint64_t run_before_ = 0;
  uint64_t reported_ = 0;                  // and of the last one with which the server reported its settings.
  std::unique_ptr<SkippedGroup> skipped_;  // Null: no group is being skipped.
  std::unique_ptr<SkippedGroup>
      behind_end_;  // What was sent behind the end of the connection; null: nothing was.
  // Of the statement that the server is answering.
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
  ExpectedAnswers expected_;
  std::unique_ptr<CopyInput> copy_;  // Null: no copy data was sent so far.
  uint64_t copy_place_ = 0;          // Of the last message that makes statements run.
  uint64_t last_done_ns_ = 0;
  uint64_t misfits_ = 0;
  uint64_t refused_to_ = 0;  // 1 + place of the last Parse that stands for a refused one.
  NameEncodings encodings_;
  bool is_query_awaited_ = false;  // The Query pushed last is answered; the server does not skip it.
  bool skipping_ = false;          // An error was answered and the client has sent no Sync since.
  bool copy_in_ = false;           // The server reads copy data and the client has not ended it.
  bool copies_ = false;            // The statement that the server is answering is a COPY that reads.
  bool is_lost_ = false;
  bool has_stray_end_ = false;
  bool has_wide_names_ = false;
  bool may_defer_ = false;  // Something was written that may run more at the end of its transaction.
  bool has_ended_ =
      false;  // The client has terminated, or the server has said FATAL: nothing more is executed.
  TransactionStatus transaction_ = TransactionStatus::idle;
  // Of statements that make or drop names, and of Queries that could not be cut.
  struct Rare {
    std::vector<PendingChange>
        changes;  // In the order of their places; before `changes_begin` they are settled.
    size_t changes_begin = 0;
    std::string uncut_tag;  // The last tag of an uncut Query, and its rows so far.
    uint64_t uncut_rows = 0;
  };
  Rare& rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
  }
  std::unique_ptr<Rare> rare_;
};

}  // namespace ringfence::pg
