#include "ringfence/net/kernel_tls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ringfence/crypto/secret.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

namespace ringfence::net {

namespace {

constexpr unsigned char alert_record = 21;  // RFC 8446, section 5.1.

void store_sequence(unsigned char* out, uint64_t sequence) {
  for (int i = 7; i >= 0; --i, sequence >>= 8) out[i] = static_cast<unsigned char>(sequence);
}

// The kernel's structures differ in sizes only: the nonce is salt and iv together.
template <typename Info>
int set_keys(int fd, const TlsSendingKeys& keys, uint16_t cipher_type) {
  Info info{};
  info.info.version = TLS_1_3_VERSION;
  info.info.cipher_type = cipher_type;
  if (keys.key_bytes != sizeof info.key) return EINVAL;
  std::memcpy(info.key, keys.key.data(), sizeof info.key);
  if constexpr (sizeof info.iv == 12) {
    std::memcpy(info.iv, keys.iv.data(), 12);
  } else {
    std::memcpy(info.salt, keys.iv.data(), sizeof info.salt);
    std::memcpy(info.iv, keys.iv.data() + sizeof info.salt, sizeof info.iv);
  }
  store_sequence(info.rec_seq, keys.sequence);
  int error = ::setsockopt(fd, SOL_TLS, TLS_TX, &info, sizeof info) == 0 ? 0 : errno;
  crypto::secure_zero(&info, sizeof info);
  return error;
}

}  // namespace

int start_kernel_sending(int fd, const TlsSendingKeys& keys) {
  // EEXIST: it was given to this socket before. Without keys the protocol changes nothing.
  if (::setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls") != 0 && errno != EEXIST) return errno;
  switch (keys.suite) {
    case 0x1301: return set_keys<tls12_crypto_info_aes_gcm_128>(fd, keys, TLS_CIPHER_AES_GCM_128);
    case 0x1302: return set_keys<tls12_crypto_info_aes_gcm_256>(fd, keys, TLS_CIPHER_AES_GCM_256);
    case 0x1303: return set_keys<tls12_crypto_info_chacha20_poly1305>(fd, keys, TLS_CIPHER_CHACHA20_POLY1305);
    default: return EINVAL;
  }
}

bool send_kernel_alert(int fd, ByteView alert) {
  iovec piece{const_cast<char*>(alert.data()), alert.size()};
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(1)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(header) = alert_record;
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(alert.size());
}

}  // namespace ringfence::net
