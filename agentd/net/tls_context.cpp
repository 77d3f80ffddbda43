// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/tls_context.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

#include "common/base/unique_fd.h"

namespace secrets::net {
namespace {

namespace ssl = boost::asio::ssl;
using Names = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

/// Returns an error if a file can't be read at all.
Status why_unreadable(const std::string& key, const std::string& file) {
    const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    if (fd && read(fd.get(), &byte, 1) >= 0) return Status();
    return Status::failed(key + ": cannot read " + file + ": " + strerror(errno));
}

/// Returns the Status for a file that OpenSSL rejected. `lacks` names the content that is missing
/// in a file of another kind.
Status not_taken(const std::string& key, const std::string& file, const char* lacks) {
    const unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    // The SSL library may find that a key or certificate that was read is weak, or broken.
    const bool is_read = ERR_GET_LIB(why) == ERR_LIB_SSL && ERR_GET_REASON(why) != ERR_R_PEM_LIB;
    const char* text = is_read ? ERR_reason_error_string(why) : nullptr;
    return Status::failed(
        key + ": cannot use " + file + ": " +
        (text != nullptr ? std::string(text) : "it contains no " + std::string(lacks)));
}

constexpr const char* kCertificate = "certificate in PEM (-----BEGIN CERTIFICATE-----)";

/// Gives no passphrase: there is nobody to ask for one.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

/// `section` is the section of the configuration that has its key.
Status use_certificate(SSL_CTX* context, const std::string& section, const std::string& file) {
    const std::string key = section + ".certificate";
    if (Status wrong = why_unreadable(key, file); !wrong.ok()) return wrong;
    if (SSL_CTX_use_certificate_chain_file(context, file.c_str()) == 1) return Status();
    return not_taken(key, file, kCertificate);
}

Status use_key(SSL_CTX* context, const std::string& section, const std::string& file,
               const std::string& certificate) {
    const std::string key = section + ".key";
    if (Status wrong = why_unreadable(key, file); !wrong.ok()) return wrong;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    const bool taken = SSL_CTX_use_PrivateKey_file(context, file.c_str(), SSL_FILETYPE_PEM) == 1 &&
                       SSL_CTX_check_private_key(context) == 1;
    if (taken) return Status();
    const unsigned long why = ERR_peek_last_error();
    // OpenSSL treats a key of another kind than the certificate's as a key without a certificate.
    if (ERR_GET_LIB(why) == ERR_LIB_X509 || ERR_GET_REASON(why) == SSL_R_NO_CERTIFICATE_ASSIGNED) {
        ERR_clear_error();
        return Status::failed(key + ": " + file + " is not the key of " + certificate);
    }
    return not_taken(key, file, "private key in PEM that opens without a passphrase");
}

/// Trusts a CA for clients that present a certificate; no client has to.
Status trust_client_ca(SSL_CTX* context, const std::string& file) {
    if (Status wrong = why_unreadable("listen.client_ca", file); !wrong.ok()) return wrong;
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file.c_str());
    if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return not_taken("listen.client_ca", file, kCertificate);
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    return Status();
}

std::string key_file_of(const Listen& listen) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (!listen.key.empty() || directory == nullptr) return listen.key;
    return std::string(directory) + "/tls.key";
}

std::optional<std::chrono::sys_seconds> end_of(const X509* certificate) {
    if (certificate == nullptr) return std::nullopt;
    std::tm parts{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return std::nullopt;
    return std::chrono::sys_seconds(std::chrono::seconds(timegm(&parts)));
}

std::string text_of(const ASN1_STRING* text) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
            static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_of(const ASN1_STRING* bytes) {
    char text[INET6_ADDRSTRLEN] = "";
    const int length = ASN1_STRING_length(bytes);
    if (length != 4 && length != 16) return "";
    inet_ntop(length == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text, sizeof(text));
    return text;
}

/// Adds a name to those of its type. A NUL would let a longer name look like a shorter one.
void add_name(CertificateNames& names, const GENERAL_NAME* name) {
    const auto add = [](std::vector<std::string>& to, std::string text) {
        if (!text.empty() && text.find('\0') == text.npos) to.push_back(std::move(text));
    };
    switch (name->type) {
        case GEN_DNS:
            return add(names.hosts, text_of(name->d.dNSName));
        case GEN_URI:
            return add(names.others, text_of(name->d.uniformResourceIdentifier));
        case GEN_EMAIL:
            return add(names.others, text_of(name->d.rfc822Name));
        case GEN_IPADD:
            return add(names.addresses, address_of(name->d.iPAddress));
        default:
            return;
    }
}

}  // namespace

StatusOr<std::shared_ptr<ssl::context>> make_server_context(const Listen& listen) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX* const raw = context->native_handle();
    SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(raw, SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(raw, 1);  // more are for clients that keep several connections
    constexpr unsigned char kSessions[] = "slurm-secrets";
    SSL_CTX_set_session_id_context(raw, kSessions, sizeof(kSessions) - 1);
    if (Status wrong = use_certificate(raw, "listen", listen.certificate); !wrong.ok())
        return wrong;
    const std::string key = key_file_of(listen);
    if (key.empty()) {
        return Status::failed(
            "listen.key: no key file; set its path, or load the key as systemd credential tls.key");
    }
    if (Status wrong = use_key(raw, "listen", key, listen.certificate); !wrong.ok()) return wrong;
    if (listen.client_ca.empty()) return context;
    if (Status wrong = trust_client_ca(raw, listen.client_ca); !wrong.ok()) return wrong;
    return context;
}

Status show_certificate(ssl::context& context, const std::string& section,
                        const std::string& certificate, const std::string& key) {
    if (Status wrong = use_certificate(context.native_handle(), section, certificate); !wrong.ok())
        return wrong;
    return use_key(context.native_handle(), section, key, certificate);
}

Status check_files(const Listen& listen) {
    ssl::context context(ssl::context::tls_server);
    SSL_CTX* const raw = context.native_handle();
    if (Status wrong = use_certificate(raw, "listen", listen.certificate); !wrong.ok())
        return wrong;
    if (!listen.key.empty()) {
        if (Status wrong = use_key(raw, "listen", listen.key, listen.certificate); !wrong.ok())
            return wrong;
    }
    if (listen.client_ca.empty()) return Status();
    return trust_client_ca(raw, listen.client_ca);
}

Status check_valid_now(ssl::context& context) {
    const X509* const certificate = SSL_CTX_get0_certificate(context.native_handle());
    const auto date = [](const ASN1_TIME* time) {
        std::tm parts{};
        char text[sizeof("2026-01-01 00:00") + 16] = "?";
        ASN1_TIME_to_tm(time, &parts);
        std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts);
        return std::string(text) + " UTC";
    };
    const ASN1_TIME* const begin = X509_get0_notBefore(certificate);
    const ASN1_TIME* const end = X509_get0_notAfter(certificate);
    if (X509_cmp_current_time(end) < 0) return Status::failed("it expired at " + date(end));
    if (X509_cmp_current_time(begin) > 0)
        return Status::failed("it is not valid before " + date(begin));
    return Status();
}

std::optional<std::chrono::sys_seconds> certificate_end(ssl::context& context) {
    return end_of(SSL_CTX_get0_certificate(context.native_handle()));
}

std::optional<std::chrono::sys_seconds> certificate_end_of_peer(SSL* connection) {
    return end_of(SSL_get0_peer_certificate(connection));
}

bool is_certificate_of(ssl::context& context, const std::string& host) {
    X509* const certificate = SSL_CTX_get0_certificate(context.native_handle());
    // A leading dot would match every host of that domain.
    if (certificate == nullptr || host.empty() || host.starts_with('.')) return false;
    if (host.find('\0') != host.npos) return false;
    return X509_check_host(certificate, host.data(), host.size(),
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1 ||
           X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
}

std::optional<std::string> rejected_certificate(SSL* connection) {
    const long verified = SSL_get_verify_result(connection);
    if (verified == X509_V_OK) return std::nullopt;
    std::string why =
        std::string("certificate rejected: ") + X509_verify_cert_error_string(verified);
    const bool is_about_time =
        verified == X509_V_ERR_CERT_NOT_YET_VALID || verified == X509_V_ERR_CERT_HAS_EXPIRED;
    if (is_about_time) why += "; check the clock of this host";
    return why;
}

std::optional<CertificateNames> names_of_peer(SSL* connection) {
    const Certificate certificate(SSL_get1_peer_certificate(connection), &X509_free);
    if (!certificate) return std::nullopt;
    CertificateNames found;
    void* const names = X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr);
    const Names owned(static_cast<GENERAL_NAMES*>(names), &GENERAL_NAMES_free);
    for (int i = 0; owned && i < sk_GENERAL_NAME_num(owned.get()); ++i) {
        add_name(found, sk_GENERAL_NAME_value(owned.get(), i));
    }
    return found;
}

}  // namespace secrets::net
