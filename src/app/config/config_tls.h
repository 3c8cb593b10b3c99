// The keys of listeners, admin API and targets that are about TLS.
#pragma once

#include "config_places.h"
#include "config_reader.h"

namespace ringfence::app {

// `tls`: what listeners and the admin API use that name no certificate of their own, and what the kernel may
// do.
void read_tls(Section& root, TlsFiles& files, KernelTlsMode& kernel);
void read_listener_tls(Section& section, const TlsFiles& defaults, model::Listener& listener);
void read_admin_tls(Section& section, const TlsFiles& defaults, AdminConfig& admin);
void read_target_tls(Section& section, model::PgTarget& target);

// Loads the files of listeners and targets whose keys about TLS fit together, and tells why one cannot be
// used.
void check_tls_files(const Config& config, Places& places, ReadContext& context);

}  // namespace ringfence::app
