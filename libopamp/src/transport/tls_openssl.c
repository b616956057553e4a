/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/tls_version.h"
#include "transport/tls_internal.h"

struct opamp__tls {
  atomic_uint refs;
  X509_STORE *store;
  X509 *cert;
  STACK_OF(X509) * chain;
  EVP_PKEY *key;
  char *ciphers; /* OpenSSL names for TLS 1.2, NULL: its default */
  char *suites;  /* for TLS 1.3 */
  int min_version, max_version;
  bool insecure;
};

enum { FILE_MAX = 4 * 1024 * 1024 };

/* --- versions and ciphers ------------------------------------------------- */

static int version_number(const char *text) {
  static const int numbers[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
                                TLS1_3_VERSION};
  int version = opamp__tls_version(opamp__str(text));
  return version == 0 ? 0 : numbers[version - 10];
}

static opamp_status parse_version(const char *text, int otherwise, int *out) {
  *out = otherwise;
  if (text == NULL || text[0] == '\0') return OPAMP_OK;
  *out = version_number(text);
  if (*out != 0) return OPAMP_OK;
  return opamp__fail(OPAMP_ERR_INVALID,
                     "unknown TLS version \"%.40s\" (1.0, 1.1, 1.2, 1.3)",
                     text);
}

opamp_status opamp__tls_check_version(const char *version) {
  int number;
  return parse_version(version, TLS1_2_VERSION, &number);
}

static bool append_name(opamp__buf *list, const char *name) {
  return (list->len == 0 || opamp__buf_byte(list, ':')) &&
         opamp__buf_append(list, name, strlen(name));
}

/* One IANA name, as OpenSSL calls it, to the list of its protocol version. */
static opamp_status add_cipher(opamp__buf *tls12, opamp__buf *tls13,
                               opamp_str iana) {
  char name[80];
  const char *openssl = "(NONE)";
  if (iana.len < sizeof name) {
    memcpy(name, iana.ptr, iana.len);
    name[iana.len] = '\0';
    openssl = OPENSSL_cipher_name(name);
  }
  if (openssl == NULL || strcmp(openssl, "(NONE)") == 0)
    return opamp__fail(OPAMP_ERR_INVALID, "unknown cipher suite \"%.*s\"",
                       (int)(iana.len < 80 ? iana.len : 80), iana.ptr);
  /* TLS 1.3 suites have one name only. */
  bool is13 = strcmp(openssl, name) == 0;
  return append_name(is13 ? tls13 : tls12, openssl) ? OPAMP_OK : opamp__nomem();
}

static opamp_status split_ciphers(const char *list, opamp__buf *tls12,
                                  opamp__buf *tls13) {
  opamp_status st = OPAMP_OK;
  while (st == OPAMP_OK && list != NULL && *list != '\0') {
    size_t n = strcspn(list, ",:");
    opamp_str name = opamp__str_trim((opamp_str){list, n});
    if (name.len > 0) st = add_cipher(tls12, tls13, name);
    list += n;
    if (*list != '\0') list++;
  }
  if (st == OPAMP_OK && tls12->len > 0 && !opamp__buf_byte(tls12, 0))
    st = opamp__nomem();
  if (st == OPAMP_OK && tls13->len > 0 && !opamp__buf_byte(tls13, 0))
    st = opamp__nomem();
  return st;
}

opamp_status opamp__tls_check_ciphers(const char *list) {
  opamp__buf tls12 = {0}, tls13 = {0};
  opamp_status st = split_ciphers(list, &tls12, &tls13);
  opamp__buf_free(&tls12);
  opamp__buf_free(&tls13);
  return st;
}

/* --- reading -------------------------------------------------------------- */

static opamp_status read_file(const char *path, opamp__buf *out) {
  opamp_status st = OPAMP_OK;
  struct stat info;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return opamp__fail(OPAMP_ERR_IO, "%s: %s", path, strerror(errno));
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    st = opamp__fail(OPAMP_ERR_IO, "%s: not a regular file", path);
    goto done;
  }
  for (;;) {
    if (out->len > FILE_MAX) {
      st = opamp__fail(OPAMP_ERR_IO, "%s: larger than 4 MiB", path);
      goto done;
    }
    if (!opamp__buf_reserve(out, 16384)) {
      st = opamp__nomem();
      goto done;
    }
    ssize_t n = read(fd, out->ptr + out->len, 16384);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) st = opamp__fail(OPAMP_ERR_IO, "%s: %s", path, strerror(errno));
    if (n <= 0) break;
    out->len += (size_t)n;
  }

done:
  close(fd);
  return st;
}

/* A PEM text from memory or a file. `name` is for error texts. */
typedef struct pem {
  opamp__buf text;
  BIO *bio;
  const char *name;
} pem;

static opamp_status pem_open(pem *p, const char *file, const char *text,
                             const char *what) {
  opamp_status st = OPAMP_OK;
  memset(p, 0, sizeof *p);
  p->name = file != NULL ? file : what;
  if (file != NULL)
    st = read_file(file, &p->text);
  else if (!opamp__buf_set(&p->text, text, strlen(text)))
    st = opamp__nomem();
  if (st != OPAMP_OK) return st;
  p->bio = BIO_new_mem_buf(p->text.ptr, (int)p->text.len);
  return p->bio != NULL ? OPAMP_OK : opamp__nomem();
}

static void pem_close(pem *p) {
  BIO_free(p->bio);
  opamp__buf_wipe_free(&p->text);
}

/* Never asks the terminal for a passphrase. */
static int no_password(char *buf, int size, int write, void *ctx) {
  (void)buf, (void)size, (void)write, (void)ctx;
  return 0;
}

static opamp_status add_certificates(X509_STORE *store, pem *p, int *found) {
  opamp_status st = OPAMP_OK;
  X509 *x;
  while (st == OPAMP_OK &&
         (x = PEM_read_bio_X509_AUX(p->bio, NULL, no_password, NULL)) != NULL) {
    ++*found;
    if (X509_STORE_add_cert(store, x) != 1) st = opamp__nomem();
    X509_free(x);
  }
  ERR_clear_error();
  return st;
}

static opamp_status add_authorities(X509_STORE *store, const char *file,
                                    const char *text) {
  pem p;
  int found = 0;
  opamp_status st = pem_open(&p, file, text, "the CA text");
  if (st == OPAMP_OK) st = add_certificates(store, &p, &found);
  if (st == OPAMP_OK && found == 0)
    st = opamp__fail(OPAMP_ERR_TLS, "%s: no certificate in it", p.name);
  pem_close(&p);
  return st;
}

static int may_hold_certificates(const struct dirent *d) {
  const char *end = strrchr(d->d_name, '.');
  return end != NULL && (strcmp(end, ".pem") == 0 || strcmp(end, ".crt") == 0 ||
                         strcmp(end, ".cer") == 0);
}

/* A file of a directory, where there may be others without a certificate. */
static opamp_status add_file_of(X509_STORE *store, const char *dir,
                                const char *name, int *found) {
  opamp__buf path = {0};
  pem p = {0};
  struct stat info;
  opamp_status st = OPAMP_OK;
  if (!opamp__buf_append(&path, dir, strlen(dir)) ||
      !opamp__buf_byte(&path, '/') ||
      !opamp__buf_append(&path, name, strlen(name) + 1)) {
    st = opamp__nomem();
  } else if (stat((const char *)path.ptr, &info) == 0 &&
             S_ISREG(info.st_mode)) {
    st = pem_open(&p, (const char *)path.ptr, NULL, NULL);
    if (st == OPAMP_OK) st = add_certificates(store, &p, found);
    pem_close(&p);
  }
  opamp__buf_free(&path);
  return st;
}

static opamp_status add_directory(X509_STORE *store, const char *dir) {
  struct dirent **names = NULL;
  int found = 0, n = scandir(dir, &names, may_hold_certificates, alphasort);
  opamp_status st = OPAMP_OK;
  if (n < 0) return opamp__fail(OPAMP_ERR_IO, "%s: %s", dir, strerror(errno));
  for (int i = 0; i < n; i++) {
    if (st == OPAMP_OK) st = add_file_of(store, dir, names[i]->d_name, &found);
    free(names[i]);
  }
  free(names);
  if (st == OPAMP_OK && found == 0)
    st = opamp__fail(OPAMP_ERR_TLS,
                     "%s: no certificate in a .pem, .crt or .cer file", dir);
  return st;
}

static bool is_directory(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static opamp_status read_chain(opamp__tls *t, const char *file,
                               const char *text) {
  pem p;
  X509 *x;
  opamp_status st = pem_open(&p, file, text, "the certificate text");
  if (st == OPAMP_OK) {
    t->cert = PEM_read_bio_X509_AUX(p.bio, NULL, no_password, NULL);
    t->chain = sk_X509_new_null();
    if (t->chain == NULL)
      st = opamp__nomem();
    else if (t->cert == NULL)
      st = opamp__fail(OPAMP_ERR_TLS, "%s: no certificate in it", p.name);
  }
  while (st == OPAMP_OK &&
         (x = PEM_read_bio_X509(p.bio, NULL, no_password, NULL)) != NULL) {
    if (sk_X509_push(t->chain, x) > 0) continue;
    X509_free(x);
    st = opamp__nomem();
  }
  ERR_clear_error();
  pem_close(&p);
  return st;
}

/* "BEGIN ENCRYPTED PRIVATE KEY", or the older "Proc-Type: 4,ENCRYPTED". */
static bool is_encrypted(const opamp__buf *text) {
  static const char word[] = "ENCRYPTED";
  return text->len > 0 &&
         memmem(text->ptr, text->len, word, sizeof word - 1) != NULL;
}

static opamp_status read_key(opamp__tls *t, const char *file, const char *text,
                             const char *cert_name) {
  pem p;
  opamp_status st = pem_open(&p, file, text, "the key text");
  if (st == OPAMP_OK) {
    t->key = PEM_read_bio_PrivateKey(p.bio, NULL, no_password, NULL);
    if (t->key == NULL)
      st = opamp__fail(OPAMP_ERR_TLS,
                       is_encrypted(&p.text)
                           ? "%s: the private key is encrypted, and there is "
                             "nobody to ask for its passphrase"
                           : "%s: no private key in it",
                       p.name);
    else if (X509_check_private_key(t->cert, t->key) != 1)
      st = opamp__fail(OPAMP_ERR_TLS, "%s: the key does not match %s", p.name,
                       cert_name);
  }
  ERR_clear_error();
  pem_close(&p);
  return st;
}

/* --- a configuration ------------------------------------------------------ */

static opamp_status load_authorities(opamp__tls *t,
                                     const opamp__tls_options *o) {
  opamp_status st = OPAMP_OK;
  t->store = X509_STORE_new();
  if (t->store == NULL) return opamp__nomem();
  if (o->ca_file != NULL && is_directory(o->ca_file))
    st = add_directory(t->store, o->ca_file);
  else if (o->ca_file != NULL)
    st = add_authorities(t->store, o->ca_file, NULL);
  if (st == OPAMP_OK && o->ca_pem != NULL)
    st = add_authorities(t->store, NULL, o->ca_pem);
  bool given = o->ca_file != NULL || o->ca_pem != NULL;
  if (st == OPAMP_OK && (o->system_ca || !given) &&
      X509_STORE_set_default_paths(t->store) != 1)
    st = opamp__nomem();
  ERR_clear_error();
  return st;
}

static opamp_status load_identity(opamp__tls *t, const opamp__tls_options *o) {
  bool cert = o->cert_file != NULL || o->cert_pem != NULL;
  bool key = o->key_file != NULL || o->key_pem != NULL;
  if (!cert && !key) return OPAMP_OK;
  if (cert != key)
    return opamp__fail(OPAMP_ERR_TLS,
                       cert ? "a client certificate without a key"
                            : "a key without a client certificate");
  opamp_status st = read_chain(t, o->cert_file, o->cert_pem);
  if (st != OPAMP_OK) return st;
  return read_key(t, o->key_file, o->key_pem,
                  o->cert_file != NULL ? o->cert_file : "the certificate");
}

static opamp_status load_rules(opamp__tls *t, const opamp__tls_options *o) {
  opamp__buf tls12 = {0}, tls13 = {0};
  opamp_status st =
      parse_version(o->min_version, TLS1_2_VERSION, &t->min_version);
  if (st == OPAMP_OK) st = parse_version(o->max_version, 0, &t->max_version);
  if (st == OPAMP_OK && t->max_version != 0 && t->max_version < t->min_version)
    st = opamp__fail(OPAMP_ERR_INVALID,
                     "the highest TLS version is below the lowest");
  if (st == OPAMP_OK) st = split_ciphers(o->ciphers, &tls12, &tls13);
  if (st == OPAMP_OK) {
    t->ciphers = (char *)tls12.ptr;
    t->suites = (char *)tls13.ptr;
    return OPAMP_OK;
  }
  opamp__buf_free(&tls12);
  opamp__buf_free(&tls13);
  return st;
}

/* What the loaders cannot see: that OpenSSL takes it all (security level of
 * the keys, an empty set of protocols). */
static opamp_status try_out(const opamp__tls *t) {
  char text[200];
  SSL_CTX *x = opamp__tls_context(t, "localhost");
  SSL_CTX_free(x);
  if (x != NULL) return OPAMP_OK;
  opamp__tls_error_text(text, sizeof text, NULL, "OpenSSL refuses it");
  return opamp__fail(OPAMP_ERR_TLS, "TLS configuration: %s", text);
}

opamp_status opamp__tls_new(opamp__tls **out, const opamp__tls_options *o) {
  opamp__tls *t = (opamp__tls *)opamp__calloc(1, sizeof *t);
  *out = NULL;
  if (t == NULL) return opamp__nomem();
  atomic_init(&t->refs, 1);
  t->insecure = o->insecure;
  opamp_status st = load_rules(t, o);
  if (st == OPAMP_OK) st = load_authorities(t, o);
  if (st == OPAMP_OK) st = load_identity(t, o);
  if (st == OPAMP_OK) st = try_out(t);
  if (st != OPAMP_OK) {
    opamp__tls_unref(t);
    return st;
  }
  *out = t;
  return OPAMP_OK;
}

opamp__tls *opamp__tls_ref(opamp__tls *t) {
  atomic_fetch_add(&t->refs, 1);
  return t;
}

void opamp__tls_unref(opamp__tls *t) {
  if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1) return;
  X509_STORE_free(t->store);
  X509_free(t->cert);
  sk_X509_pop_free(t->chain, X509_free);
  EVP_PKEY_free(t->key); /* OpenSSL wipes it */
  opamp__free(t->ciphers);
  opamp__free(t->suites);
  opamp__free(t);
}

bool opamp__tls_insecure(const opamp__tls *t) {
  return t->insecure;
}

/* --- applying it ---------------------------------------------------------- */

static _Thread_local struct {
  long error;
  int depth;
} last_failure;

static int pass_through(int ok, X509_STORE_CTX *s) {
  (void)s;
  return ok;
}

/* In place of whatever curl and libwebsockets would do in theirs: the exact
 * reason is kept, and libwebsockets' index of "its" data in an SSL, which a
 * second context overwrites, is not needed. */
static int verify(X509_STORE_CTX *s, void *arg) {
  const opamp__tls *t = (const opamp__tls *)arg;
  if (t->insecure) {
    X509_STORE_CTX_set_error(s, X509_V_OK);
    return 1;
  }
  X509_STORE_CTX_set_verify_cb(s, pass_through);
  int ok = X509_verify_cert(s);
  if (ok > 0) return ok;
  last_failure.error = X509_STORE_CTX_get_error(s);
  last_failure.depth = X509_STORE_CTX_get_error_depth(s);
  /* What led to it; curl would show that instead of what it led to. */
  ERR_clear_error();
  return ok;
}

static bool apply_identity(SSL_CTX *x, const opamp__tls *t) {
  if (t->cert == NULL) return true;
  if (SSL_CTX_use_certificate(x, t->cert) != 1) return false;
  for (int i = 0; i < sk_X509_num(t->chain); i++)
    if (SSL_CTX_add1_chain_cert(x, sk_X509_value(t->chain, i)) != 1)
      return false;
  return SSL_CTX_use_PrivateKey(x, t->key) == 1 &&
         SSL_CTX_check_private_key(x) == 1;
}

bool opamp__tls_apply(SSL_CTX *x, const opamp__tls *t) {
  SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(x, no_password);
  SSL_CTX_set1_cert_store(x, t->store);
  SSL_CTX_set_verify(x, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_cert_verify_callback(x, verify, (void *)t);
  return SSL_CTX_set_min_proto_version(x, t->min_version) == 1 &&
         SSL_CTX_set_max_proto_version(x, t->max_version) == 1 &&
         (t->ciphers == NULL || SSL_CTX_set_cipher_list(x, t->ciphers) == 1) &&
         (t->suites == NULL || SSL_CTX_set_ciphersuites(x, t->suites) == 1) &&
         apply_identity(x, t);
}

static _Thread_local struct {
  const SSL *ssl;
  int where, alert;
} last_alert;

/* libwebsockets puts what stands in front of the first colon into the server
 * name: "[" for an IPv6 address. An address must not be there at all. And it
 * throws OpenSSL's reason of a failure away, of which an alert is the best
 * part. */
static void follow_handshake(const SSL *ssl, int where, int ret) {
  if (where & SSL_CB_HANDSHAKE_START) {
    const char *host = (const char *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_set_tlsext_host_name((SSL *)ssl, host);
  } else if (where & SSL_CB_ALERT) {
    last_alert.ssl = ssl;
    last_alert.where = where;
    last_alert.alert = ret;
  }
}

bool opamp__tls_expect(SSL_CTX *x, const char *host) {
  X509_VERIFY_PARAM *p = SSL_CTX_get0_param(x);
  bool address = X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_CTX_set_app_data(x, address ? NULL : (char *)host);
  SSL_CTX_set_info_callback(x, follow_handshake);
  return address || X509_VERIFY_PARAM_set1_host(p, host, 0) == 1;
}

SSL_CTX *opamp__tls_context(const opamp__tls *t, const char *host) {
  SSL_CTX *x = SSL_CTX_new(TLS_client_method());
  if (x == NULL) return NULL;
  if (opamp__tls_apply(x, t) && opamp__tls_expect(x, host)) return x;
  SSL_CTX_free(x);
  return NULL;
}

/* --- texts ---------------------------------------------------------------- */

void opamp__tls_verify_text(long result, char *out, size_t size) {
  const char *reason = X509_verify_cert_error_string(result);
  bool name = result == X509_V_ERR_HOSTNAME_MISMATCH ||
              result == X509_V_ERR_IP_ADDRESS_MISMATCH;
  if (name || last_failure.error == result)
    snprintf(out, size, "certificate verify failed: %s (depth %d)", reason,
             name ? 0 : last_failure.depth);
  else
    snprintf(out, size, "certificate verify failed: %s", reason);
  last_failure.error = X509_V_OK;
  ERR_clear_error();
}

void opamp__tls_error_text(char *out, size_t size, const SSL *ssl,
                           const char *otherwise) {
  const char *reason = ERR_reason_error_string(ERR_peek_last_error());
  if (reason == NULL && ssl != NULL && last_alert.ssl == ssl)
    snprintf(out, size, "TLS handshake failed, alert %s: %s",
             last_alert.where & SSL_CB_READ ? "received" : "sent",
             SSL_alert_desc_string_long(last_alert.alert));
  else
    snprintf(out, size, "%s", reason != NULL ? reason : otherwise);
  last_alert.ssl = NULL;
  ERR_clear_error();
}
