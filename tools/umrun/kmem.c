// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's symbols, and its memory read from outside. A guest's root,
 * without modules and /dev/mem, cannot write there: what is read is true.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "umrun.h"

struct symbols {
	Dwfl *dwfl;
	Dwfl_Module *module;
};

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

/*
 * symbols_open - read the symbols of a UML kernel, which runs where it is linked
 * @vmlinux: its file
 * Returns NULL when it has none.
 */
struct symbols *symbols_open(const char *vmlinux)
{
	struct symbols *s = must(calloc(1, sizeof(*s)));

	s->dwfl = dwfl_begin(&callbacks);
	if (s->dwfl)
		s->module = dwfl_report_elf(s->dwfl, "vmlinux", vmlinux, -1, 0, true);
	if (!s->module || dwfl_report_end(s->dwfl, NULL, NULL) || dwfl_module_getsymtab(s->module) <= 0) {
		if (s->dwfl)
			dwfl_end(s->dwfl);
		free(s);
		return NULL;
	}
	return s;
}

/*
 * symbols_find - address and size in bytes of the symbol @name
 * Returns false when the kernel has none.
 */
bool symbols_find(const struct symbols *s, const char *name, uint64_t *addr, uint64_t *size)
{
	int count = s ? dwfl_module_getsymtab(s->module) : 0;
	GElf_Sym sym;

	for (int i = 0; i < count; i++) {
		const char *found = dwfl_module_getsym(s->module, i, &sym, NULL);

		if (!found || strcmp(found, name) || GELF_ST_TYPE(sym.st_info) != STT_OBJECT)
			continue;
		*addr = sym.st_value;
		*size = sym.st_size;
		return true;
	}
	return false;
}

/*
 * symbols_caller - symbols_name() of the call that returns to @addr
 * The last call of a function that never returns is followed by another function.
 */
char *symbols_caller(const struct symbols *s, uint64_t addr)
{
	char *name = symbols_name(s, addr);

	return name ? name : symbols_name(s, addr - 1);
}

/*
 * symbols_name - `function+0x12 (file:line)`, the line where there is DWARF
 * Returns NULL when @addr is in no function; else the caller frees it.
 */
char *symbols_name(const struct symbols *s, uint64_t addr)
{
	GElf_Off offset;
	GElf_Sym sym;
	const char *name, *file = NULL;
	Dwfl_Line *line;
	int number = 0;

	if (!s)
		return NULL;
	name = dwfl_module_addrinfo(s->module, addr, &offset, &sym, NULL, NULL, NULL);
	if (!name || GELF_ST_TYPE(sym.st_info) != STT_FUNC || offset >= sym.st_size)
		return NULL;
	line = dwfl_module_getsrc(s->module, addr);
	if (line)
		file = dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL);
	if (file)
		return format("%s+0x%llx (%s:%d)", name, (unsigned long long)offset, file, number);
	return format("%s+0x%llx", name, (unsigned long long)offset);
}

/*
 * symbols_resolve_line - a line of the kernel log, names behind its addresses
 * Without CONFIG_KALLSYMS the kernel prints bare addresses (%pS, print_ip_sym()).
 * The caller frees the result.
 */
char *symbols_resolve_line(const struct symbols *s, const char *line)
{
	size_t len;
	char *text, *end, *name;
	FILE *out = must(open_memstream(&text, &len));

	while (*line) {
		bool word = isalnum((unsigned char)*line) || *line == '_';
		size_t digits = strspn(line, "0123456789abcdef");
		size_t prefix = !strncmp(line, "0x", 2) ? 2 : 0;

		if (prefix)
			digits = strspn(line + 2, "0123456789abcdef");
		if (word && digits >= 8 && digits <= 16 && !isalnum((unsigned char)line[prefix + digits])) {
			name = symbols_name(s, strtoull(line + prefix, &end, 16));
			fprintf(out, "%.*s%s%s", (int)(prefix + digits), line, name ? " " : "", name ? name : "");
			free(name);
			line += prefix + digits;
		} else if (word) {
			while (isalnum((unsigned char)*line) || *line == '_')
				fputc(*line++, out);
		} else {
			fputc(*line++, out);
		}
	}
	fclose(out);
	return text;
}

/*
 * kmem_open - open the memory of the kernel's process
 * Returns a descriptor, or -1 with errno: this host forbids it (ptrace_may_access()).
 */
int kmem_open(pid_t kernel)
{
	char *path = format("/proc/%d/mem", kernel);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	return fd;
}

/* kmem_read - @len bytes at the kernel's address @addr; false: they are not there (any more) */
bool kmem_read(int memory, uint64_t addr, void *buf, size_t len)
{
	return pread(memory, buf, len, addr) == (ssize_t)len;
}

/* Each record of the log starts, aligned, with its descriptor's id, whose two
 * highest bits are clear (struct prb_data_block, kernel/printk/printk_ringbuffer.c).
 * A record's later lines may be a program's, such as a file's name with a newline. */
static bool starts_record(const char *buf, const char *at)
{
	size_t offset = at - buf;
	uint64_t id;

	if (offset < sizeof(id) || offset % sizeof(id))
		return false;
	memcpy(&id, at - sizeof(id), sizeof(id));
	return id >> 32 == 0 || id >> 32 == 0x3fffffff;
}

/*
 * kmem_logged - does a record of the kernel's log begin with this text?
 * What a program writes to a console never gets there.
 */
bool kmem_logged(int memory, const struct symbols *s, const char *text, size_t len)
{
	uint64_t addr, size;
	char *buf, *at = NULL;
	bool found = false;

	if (memory < 0 || !symbols_find(s, "__log_buf", &addr, &size) || !size)
		return false;
	buf = must(malloc(size));
	if (kmem_read(memory, addr, buf, size))
		at = memmem(buf, size, text, len);
	while (at && !(found = starts_record(buf, at)))
		at = memmem(at + 1, buf + size - at - 1, text, len);
	free(buf);
	return found;
}
