/** The names under which kernels ask for our widgets; a change of the traits is a new version. */
export const MODULE_NAME = 'jupyter_sse';
export const MODULE_VERSION = '1.0.0';
