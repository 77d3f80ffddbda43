// SPDX-License-Identifier: Apache-2.0
// Promise: a hub shows the certificate that it was given and no other, takes TLS 1.3 alone, and
// says which file is wrong, and how. Names are read from certificates as they stand there.

#include "agentd/net/tls_context.h"

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "tests/unit/certificates.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::net {
namespace {

const std::vector<SubjectName> kHub = {{GEN_DNS, "hub.example.org"},
                                       {GEN_DNS, "*.wild.example.org"},
                                       {GEN_IPADD, std::string("\x0a\x4d\x00\x01", 4)},
                                       {GEN_IPADD, std::string(15, '\0') + '\1'}};

/// The files of a hub.
struct Files {
    explicit Files(const SelfSigned& hub) {
        write_certificate(listen.certificate, hub.certificate);
        write_key(listen.key, hub.key);
    }
    std::string refusal() const {
        const auto context = make_server_context(listen);
        return context ? "(taken)" : context.status().message();
    }

    TemporaryFolder folder;
    Listen listen{"0.0.0.0", 8443, folder.file("hub.crt"), folder.file("hub.key"), "", ""};
};

void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

TEST_CASE("TLS context: loads the files of a hub or reports key and file and cause") {
    Files files(make_certificate(kHub));
    Listen& listen = files.listen;
    CHECK(files.refusal() == "(taken)");
    CHECK(check_files(listen).ok());

    SECTION("the certificate file") {
        const std::string unreadable =
            "listen.certificate: cannot read " + listen.certificate + ": ";
        const std::string no_certificate =
            "listen.certificate: cannot use " + listen.certificate +
            ": it contains no certificate in PEM (-----BEGIN CERTIFICATE-----)";
        for (const char* text : {"", "nonsense\n", "-----BEGIN CERTIFICATE-----\nMIIB\n"}) {
            write(listen.certificate, text);
            CHECK(files.refusal() == no_certificate);
        }
        write_key(listen.certificate, make_key());
        CHECK(files.refusal() == no_certificate);
        unlink(listen.certificate.c_str());
        CHECK(files.refusal() == unreadable + "No such file or directory");
        mkdir(listen.certificate.c_str(), 0700);
        CHECK(files.refusal() == unreadable + "Is a directory");
    }
    SECTION("the key file") {
        const std::string no_key =
            "listen.key: cannot use " + listen.key +
            ": it contains no private key in PEM that opens without a passphrase";
        for (const char* text : {"", "nonsense\n", "-----BEGIN PRIVATE KEY-----\nMIIB\n"}) {
            write(listen.key, text);
            CHECK(files.refusal() == no_key);
        }
        write_key(listen.key, make_key(), "a passphrase");
        CHECK(files.refusal() == no_key);
        for (const char* kind : {"EC", "RSA"}) {
            write_key(listen.key, make_key(kind));
            CHECK(files.refusal() ==
                  "listen.key: " + listen.key + " is not the key of " + listen.certificate);
        }
        unlink(listen.key.c_str());
        CHECK(files.refusal() ==
              "listen.key: cannot read " + listen.key + ": No such file or directory");
    }
    SECTION("the client CA file") {
        listen.client_ca = files.folder.file("ca.crt");
        CHECK(files.refusal() ==
              "listen.client_ca: cannot read " + listen.client_ca + ": No such file or directory");
        for (const char* text : {"", "nonsense\n", "-----BEGIN CERTIFICATE-----\nMIIB\n"}) {
            write(listen.client_ca, text);
            CHECK(files.refusal() ==
                  "listen.client_ca: cannot use " + listen.client_ca +
                      ": it contains no certificate in PEM (-----BEGIN CERTIFICATE-----)");
        }
        write_certificate(listen.client_ca, make_certificate({}).certificate);
        CHECK(files.refusal() == "(taken)");
    }
    // What one refusal left in OpenSSL's queue is not the reason of the next.
    const auto again = make_server_context(Files(make_certificate(kHub)).listen);
    CHECK(again.ok());
}

TEST_CASE("TLS context: uses the systemd credential tls.key when no key is configured") {
    const Files files(make_certificate(kHub));
    Listen listen = files.listen;
    listen.key.clear();
    unsetenv("CREDENTIALS_DIRECTORY");
    const auto none = make_server_context(listen);
    REQUIRE_FALSE(none);
    CHECK(none.status().message() ==
          "listen.key: no key file; set its path, or load the key as systemd credential tls.key");
    CHECK(check_files(listen).ok());

    const TemporaryFolder credentials;
    setenv("CREDENTIALS_DIRECTORY", credentials.path().c_str(), 1);
    CHECK(make_server_context(listen).status().message() ==
          "listen.key: cannot read " + credentials.file("tls.key") + ": No such file or directory");
    CHECK(check_files(listen).ok());
    write_key(credentials.file("tls.key"), make_key());
    CHECK(make_server_context(listen).status().message() ==
          "listen.key: " + credentials.file("tls.key") + " is not the key of " +
              listen.certificate);
    unsetenv("CREDENTIALS_DIRECTORY");

    unlink(listen.certificate.c_str());
    CHECK(check_files(listen).message() ==
          "listen.certificate: cannot read " + listen.certificate + ": No such file or directory");
}

TEST_CASE("TLS context: loads a certificate outside its validity and reports that") {
    const auto why = [](long begin, long end) {
        const Files files(make_certificate(kHub, begin, end));
        const auto context = make_server_context(files.listen);
        REQUIRE(context);
        return check_valid_now(**context).message();
    };
    CHECK(why(-60, 60).empty());
    CHECK(why(-3600, -60).starts_with("it expired at 20"));
    CHECK(why(60, 3600).starts_with("it is not valid before 20"));
}

TEST_CASE("TLS context: matches exactly the hosts that the certificate names") {
    const Files files(make_certificate(kHub, -60, 60, "common.example.org"));
    const auto context = make_server_context(files.listen);
    REQUIRE(context);
    const auto is = [&](const std::string& host) { return is_certificate_of(**context, host); };
    for (const char* host : {"hub.example.org", "HUB.example.org", "a.wild.example.org",
                             "10.77.0.1", "::1", "0:0:0:0:0:0:0:1"}) {
        CAPTURE(host);
        CHECK(is(host));
    }
    for (const char* host :
         {"", ".", ".example.org", "example.org", "hub", "xhub.example.org", "hub.example.orgx",
          "wild.example.org", "a.b.wild.example.org", ".wild.example.org", "*", "10.77.0.2",
          "10.77.0.1.", "::2", "[::1]", "common.example.org", "hub.example.org:8443"}) {
        CAPTURE(host);
        CHECK_FALSE(is(host));
    }
    CHECK_FALSE(is(std::string("hub.example.org\0", 16)));
    CHECK_FALSE(is(std::string("hub.example.org\0.evil.org", 25)));
}

TEST_CASE("TLS context: returns all names of a client certificate") {
    Files files(make_certificate(kHub));
    const SelfSigned client =
        make_certificate({{GEN_DNS, "tower.example.org"},
                          {GEN_URI, "spiffe://example.org/tower"},
                          {GEN_EMAIL, "ops@example.org"},
                          {GEN_IPADD, std::string("\x0a\x09\x09\x09", 4)},
                          {GEN_IPADD, std::string("\xfd", 1) + std::string(14, '\0') + '\1'},
                          {GEN_IPADD, "12345"},  // of no family
                          {GEN_DNS, std::string("tower.example.org\0.evil.org", 27)},
                          {GEN_DNS, ""}},
                         -60, 3600, "not-this");
    files.listen.client_ca = files.folder.file("ca.crt");
    write_certificate(files.listen.client_ca, client.certificate);
    const auto context = make_server_context(files.listen);
    REQUIRE(context);
    SSL_CTX* const server = (*context)->native_handle();

    Handshake shown(server, &client);
    REQUIRE(shown.server_is_fine());
    CHECK(names_of_peer(shown.server()) ==
          CertificateNames{{"tower.example.org"},
                           {"10.9.9.9", "fd00::1"},
                           {"spiffe://example.org/tower", "ops@example.org"}});
    Handshake none(server, nullptr);
    REQUIRE(none.server_is_fine());
    CHECK_FALSE(names_of_peer(none.server()));
}

TEST_CASE("TLS context: rejects a client certificate that is untrusted or outside its validity") {
    Files files(make_certificate(kHub));
    const auto is_taken = [&](const SelfSigned& client, const SelfSigned& believed) {
        files.listen.client_ca = files.folder.file("ca.crt");
        write_certificate(files.listen.client_ca, believed.certificate);
        const auto context = make_server_context(files.listen);
        return Handshake((*context)->native_handle(), &client).server_is_fine();
    };
    const SelfSigned good = make_certificate({{GEN_DNS, "tower"}});
    const SelfSigned nameless = make_certificate({});
    const SelfSigned expired = make_certificate({{GEN_DNS, "tower"}}, -3600, -60);
    const SelfSigned early = make_certificate({{GEN_DNS, "tower"}}, 3000, 3600);
    CHECK(is_taken(good, good));
    CHECK(is_taken(nameless, nameless));  // and is nobody: it has no names
    CHECK_FALSE(is_taken(good, nameless));
    CHECK_FALSE(is_taken(expired, expired));
    CHECK_FALSE(is_taken(early, early));
}

TEST_CASE("TLS context: requests no client certificate without a client CA") {
    const Files files(make_certificate(kHub));
    const auto context = make_server_context(files.listen);
    const SelfSigned client = make_certificate({{GEN_DNS, "tower"}});
    Handshake shown((*context)->native_handle(), &client);
    REQUIRE(shown.server_is_fine());
    CHECK_FALSE(names_of_peer(shown.server()));
}

TEST_CASE("TLS context: requires TLS 1.3 and clears read buffers and issues one ticket") {
    const Files files(make_certificate(kHub));
    const auto context = make_server_context(files.listen);
    SSL_CTX* const raw = (*context)->native_handle();
    CHECK(Handshake(raw, nullptr).server_is_fine());
    CHECK_FALSE(Handshake(raw, nullptr, TLS1_2_VERSION).server_is_fine());
    CHECK((SSL_CTX_get_options(raw) & SSL_OP_CLEANSE_PLAINTEXT) != 0);
    CHECK((SSL_CTX_get_mode(raw) & SSL_MODE_RELEASE_BUFFERS) != 0);
    CHECK(SSL_CTX_get_max_early_data(raw) == 0);  // a request in it could be replayed
    CHECK(SSL_CTX_get_num_tickets(raw) == 1);
}

}  // namespace
}  // namespace secrets::net
