// SPDX-License-Identifier: GPL-2.0
/* Finds the kernel of a point and flavour, and what its build says of itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "umrun.h"

static void take_info(struct kernel *k, const char *key, const char *value)
{
	struct { const char *key; char **to; } fields[] = {
		{ "point", &k->point }, { "flavour", &k->flavour },
		{ "compiler", &k->compiler }, { "config_sha256", &k->config_sha256 },
		{ "kernelrelease", &k->release },
		{ "srcdir", &k->source }, { "append", &k->append },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(key, fields[i].key))
			*fields[i].to = must(strdup(value));
}

/* umlab.info is `key=value` lines; a kernel from elsewhere has none. */
static void read_info(struct kernel *k)
{
	char *path = format("%s/umlab.info", k->dir), *line = NULL;
	FILE *f = fopen(path, "re");
	size_t room = 0;

	while (f && getline(&line, &room, f) > 0) {
		char *value = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!value)
			continue;
		*value++ = '\0';
		take_info(k, line, value);
	}
	if (f)
		fclose(f);
	free(line);
	free(path);
}

/*
 * kernel_find - the kernel that the options mean
 * @o: --kernel, or --point and --flavour
 * Ends umrun when it is not there or cannot be executed.
 */
struct kernel kernel_find(const struct options *o)
{
	struct kernel k = { 0 };
	char *file = o->kernel ? must(strdup(o->kernel)) :
		     project_path("points/%s/%s/linux", o->point, o->flavour);

	k.file = realpath(file, NULL);
	if (!k.file && o->kernel)
		fail("kernel", file, "%s; --kernel takes a UML kernel's file", strerror(errno));
	if (!k.file)
		fail("kernel", file, "not built; run 'make kernel P=%s F=%s'",
		     o->point, o->flavour);
	if (access(k.file, X_OK) || access(k.file, R_OK))
		fail("kernel", k.file, "%s; it must be readable and executable", strerror(errno));
	k.dir = must(strdup(k.file));
	k.dir = dirname(k.dir);
	read_info(&k);
	free(file);
	return k;
}
