/*
 * An OpenSSL provider that opens keys by `pkcs11:` names, as pkcs11-provider does, which Debian 12 does not have. In place
 * of a token there is a folder with private keys, OBJECT.der (PKCS#8). Its PIN is 1234, in the name or from the caller.
 */
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct token {
    char name[1024];
    int over;
};

static void *token_open(void *provider, const char *name) {
    struct token *token = calloc(1, sizeof *token);
    (void)provider;
    if (token) snprintf(token->name, sizeof token->name, "%s", name);
    return token;
}

/* The value of one attribute of the name; 0: it has none. */
static int attribute(const char *name, const char *key, char *value, size_t size) {
    const char *at = strstr(name, key);
    if (!at) return 0;
    at += strlen(key);
    snprintf(value, size, "%.*s", (int)strcspn(at, ";?&"), at);
    return 1;
}

static int token_load(void *context, OSSL_CALLBACK *found, void *found_arg, OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg) {
    struct token *token = context;
    char object[64], pin[64] = "", path[1024];
    unsigned char der[8192];
    size_t length = 0;
    const char *folder = getenv("PATCHBAY_TEST_TOKEN");
    token->over = 1;
    if (!folder || !attribute(token->name, "object=", object, sizeof object) || strchr(object, '/')) return 0;
    if (!attribute(token->name, "pin-value=", pin, sizeof pin)) {
        OSSL_PARAM none[] = {OSSL_PARAM_END};
        if (!ask(pin, sizeof pin - 1, &length, none, ask_arg)) return 0;
        pin[length] = 0;
    }
    if (strcmp(pin, "1234") != 0) return 0;
    snprintf(path, sizeof path, "%s/%s.der", folder, object);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    length = fread(der, 1, sizeof der, file);
    fclose(file);
    int type = OSSL_OBJECT_PKEY;
    char structure[] = "PrivateKeyInfo";
    OSSL_PARAM key[] = {
        {OSSL_OBJECT_PARAM_TYPE, OSSL_PARAM_INTEGER, &type, sizeof type, 0},
        {OSSL_OBJECT_PARAM_DATA_STRUCTURE, OSSL_PARAM_UTF8_STRING, structure, sizeof structure - 1, 0},
        {OSSL_OBJECT_PARAM_DATA, OSSL_PARAM_OCTET_STRING, der, length, 0},
        OSSL_PARAM_END,
    };
    return found(key, found_arg);
}

static int token_over(void *context) { return ((struct token *)context)->over; }

static int token_close(void *context) {
    free(context);
    return 1;
}

static const OSSL_DISPATCH store[] = {
    {OSSL_FUNC_STORE_OPEN, (void (*)(void))token_open},
    {OSSL_FUNC_STORE_LOAD, (void (*)(void))token_load},
    {OSSL_FUNC_STORE_EOF, (void (*)(void))token_over},
    {OSSL_FUNC_STORE_CLOSE, (void (*)(void))token_close},
    {0, NULL},
};
static const OSSL_ALGORITHM stores[] = {{"pkcs11", "provider=token", store, "keys of a test"}, {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache) {
    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_STORE ? stores : NULL;
}

static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query}, {0, NULL}};

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **provider) {
    (void)handle;
    (void)in;
    *out = functions;
    *provider = (void *)1;
    return 1;
}
