// The keys of listeners, admin API and targets that are about TLS.
#pragma once

#include "config_reader.h"

namespace ringfence::app {

// `tls.certificate_file` and `tls.key_file`: what listeners and the admin API use that name none of their own.
void read_tls(Section& root, TlsFiles& files);
void read_listener_tls(Section& section, const TlsFiles& defaults, ListenerConfig& listener);
void read_admin_tls(Section& section, const TlsFiles& defaults, AdminConfig& admin);
void read_target_tls(Section& section, TargetConfig& target);

}  // namespace ringfence::app
