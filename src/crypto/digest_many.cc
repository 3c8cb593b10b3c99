#include "ringfence/crypto/digest_many.h"

#ifdef RINGFENCE_IPSEC_MB
#define NO_COMPAT_IMB_API_053  // The old names of its macros are those of libcrypto's functions.
#include <intel-ipsec-mb.h>
#endif

namespace ringfence::crypto {

#ifdef RINGFENCE_IPSEC_MB

struct Sha256Many::Manager {
  IMB_MGR* raw;
  explicit Manager(IMB_MGR* manager) : raw(manager) {}
  ~Manager() { free_mb_mgr(raw); }
};

Sha256Many::Sha256Many() {
  IMB_MGR* raw = alloc_mb_mgr(0);
  if (raw == nullptr) return;
  init_mb_mgr_auto(raw, nullptr);
  if (imb_get_errno(raw) != 0) {
    free_mb_mgr(raw);
    return;
  }
  manager_ = std::make_unique<Manager>(raw);
}

void Sha256Many::digest(const std::vector<ByteView>& messages, Digest* out) {
  size_t done = 0;
  auto take = [&](IMB_JOB* job) {
    if (job != nullptr && job->status == IMB_STATUS_COMPLETED) ++done;
  };
  if (manager_) {
    IMB_MGR* raw = manager_->raw;
    for (size_t i = 0; i < messages.size(); ++i) {
      IMB_JOB* job = IMB_GET_NEXT_JOB(raw);
      job->hash_alg = IMB_AUTH_SHA_256;
      job->cipher_mode = IMB_CIPHER_NULL;
      job->cipher_direction = IMB_DIR_ENCRYPT;
      job->chain_order = IMB_ORDER_HASH_CIPHER;
      job->src = reinterpret_cast<const uint8_t*>(messages[i].data());
      job->hash_start_src_offset_in_bytes = 0;
      job->msg_len_to_hash_in_bytes = messages[i].size();
      job->auth_tag_output = out[i].data();
      job->auth_tag_output_len_in_bytes = out[i].size();
      take(IMB_SUBMIT_JOB(raw));
    }
    while (IMB_JOB* job = IMB_FLUSH_JOB(raw)) take(job);
    if (done == messages.size()) return;
  }
  // Also what the library would not do, an empty message for one.
  for (size_t i = 0; i < messages.size(); ++i) {
    single_.update(messages[i]);
    out[i] = single_.finish();
  }
}

#else

struct Sha256Many::Manager {};

Sha256Many::Sha256Many() = default;

void Sha256Many::digest(const std::vector<ByteView>& messages, Digest* out) {
  for (size_t i = 0; i < messages.size(); ++i) {
    single_.update(messages[i]);
    out[i] = single_.finish();
  }
}

#endif

Sha256Many::~Sha256Many() = default;

}  // namespace ringfence::crypto
