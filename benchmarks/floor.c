/* The least that an encoder around orjson can do: a call in, orjson, memory for the block, a copy. It checks nothing. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define LABEL "data: "
#define END "\n\n"
#define LABEL_BYTES (sizeof(LABEL) - 1)
#define END_BYTES (sizeof(END) - 1)

static PyObject *dumps;

static PyObject *encode(PyObject *module, PyObject *value) {
    PyObject *json = PyObject_CallOneArg(dumps, value);
    if (json == NULL) {
        return NULL;
    }
    Py_ssize_t length = PyBytes_GET_SIZE(json);
    PyObject *block = PyBytes_FromStringAndSize(NULL, LABEL_BYTES + length + END_BYTES);
    if (block != NULL) {
        char *out = PyBytes_AS_STRING(block);
        memcpy(out, LABEL, LABEL_BYTES);
        memcpy(out + LABEL_BYTES, PyBytes_AS_STRING(json), length);
        memcpy(out + LABEL_BYTES + length, END, END_BYTES);
    }
    Py_DECREF(json);
    return block;
}

static PyMethodDef methods[] = {{"encode", encode, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, .m_name = "floor", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_floor(void) {
    PyObject *orjson = PyImport_ImportModule("orjson");
    if (orjson == NULL) {
        return NULL;
    }
    dumps = PyObject_GetAttrString(orjson, "dumps");
    Py_DECREF(orjson);
    return dumps == NULL ? NULL : PyModule_Create(&module);
}
