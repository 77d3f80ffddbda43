#include "agentd/doors/tls_context.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

#include <cstdlib>

namespace secrets::doors {
namespace {

namespace ssl = boost::asio::ssl;
using ErrorCode = boost::system::error_code;
using Names = std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Error cannot_use(const char* key, const std::string& file, const ErrorCode& error) {
    return Error{std::string(key) + ": " + file + " can't be used: " + error.message()};
}

std::string key_file_of(const Listen& listen) {
    const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (!listen.key.empty() || directory == nullptr) return listen.key;
    return std::string(directory) + "/tls.key";
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

std::string name_of(const GENERAL_NAME* name) {
    switch (name->type) {
        case GEN_DNS:
            return text_of(name->d.dNSName);
        case GEN_URI:
            return text_of(name->d.uniformResourceIdentifier);
        case GEN_EMAIL:
            return text_of(name->d.rfc822Name);
        case GEN_IPADD:
            return address_of(name->d.iPAddress);
        default:
            return "";
    }
}

}  // namespace

Result<std::shared_ptr<ssl::context>> make_server_context(const Listen& listen) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    SSL_CTX* const raw = context->native_handle();
    SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    constexpr unsigned char kSessions[] = "slurm-secrets";
    SSL_CTX_set_session_id_context(raw, kSessions, sizeof(kSessions) - 1);
    ErrorCode error;
    context->use_certificate_chain_file(listen.certificate, error);
    if (error) return cannot_use("listen.certificate", listen.certificate, error);
    const std::string key = key_file_of(listen);
    if (key.empty()) {
        return Error{
            "listen.key: name the file of the key, or load it as systemd's credential tls.key"};
    }
    context->use_private_key_file(key, ssl::context::pem, error);
    if (error) return cannot_use("listen.key", key, error);
    if (SSL_CTX_check_private_key(raw) != 1) {
        return Error{"listen.key: " + key + " is not the key of " + listen.certificate};
    }
    if (listen.client_ca.empty()) return context;
    context->load_verify_file(listen.client_ca, error);
    if (error) return cannot_use("listen.client_ca", listen.client_ca, error);
    context->set_verify_mode(ssl::verify_peer);  // of those who show one
    SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(listen.client_ca.c_str()));
    return context;
}

bool is_certificate_of(ssl::context& context, const std::string& host) {
    X509* const certificate = SSL_CTX_get0_certificate(context.native_handle());
    if (certificate == nullptr || host.empty() || host.find('\0') != host.npos) return false;
    return X509_check_host(certificate, host.data(), host.size(), 0, nullptr) == 1 ||
           X509_check_ip_asc(certificate, host.c_str(), 0) == 1;
}

std::vector<std::string> names_of_peer(SSL* connection) {
    std::vector<std::string> found;
    const Certificate certificate(SSL_get1_peer_certificate(connection), &X509_free);
    if (!certificate) return found;
    void* const names = X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr);
    const Names owned(static_cast<GENERAL_NAMES*>(names), &GENERAL_NAMES_free);
    for (int i = 0; owned && i < sk_GENERAL_NAME_num(owned.get()); ++i) {
        std::string name = name_of(sk_GENERAL_NAME_value(owned.get(), i));
        // A NUL would let a longer name look like a shorter one.
        if (!name.empty() && name.find('\0') == name.npos) found.push_back(std::move(name));
    }
    return found;
}

}  // namespace secrets::doors
