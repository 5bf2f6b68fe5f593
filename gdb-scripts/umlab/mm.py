# SPDX-License-Identifier: GPL-2.0
"""struct mm_struct: one address space, and its VMAs (mm_types.h)."""

from collections import namedtuple

import gdb

from . import lists, maple, sched

# The bits that /proc/PID/maps shows (include/linux/mm.h), and some that matter to reclaim.
_READ, _WRITE, _EXEC, _SHARED = 1, 2, 4, 8
_LOCKED = 0x2000

Vma = namedtuple("Vma", "start end flags value")
Vma.__doc__ = "One VMA: start, end (int, exclusive), flags (int), value (struct vm_area_struct *)."


def pgtables_bytes(mm):
    """Return the size (int, bytes) of all page tables of @mm: VmPTE of /proc/PID/status.

    Counts PTE, PMD and PUD tables; the PGD is not in it.
    """
    return int(mm["pgtables_bytes"]["counter"])


def resident_pages(mm):
    """Return how many pages (int) of @mm (struct mm_struct *) are mapped: VmRSS, get_mm_rss_sum()."""
    counters = mm["rss_stat"]
    names = ("MM_FILEPAGES", "MM_ANONPAGES", "MM_SHMEMPAGES")
    return sum(max(0, _sum(counters[int(gdb.parse_and_eval(name))])) for name in names)


def _sum(counter):
    """The value of @counter (struct percpu_counter), what the CPUs have not added yet included."""
    total = int(counter["count"])
    if lists.has_field(counter.type, "counters") and int(counter["counters"]):
        total += sum(int(sched.per_cpu(counter["counters"].dereference(), cpu)) for cpu in sched.cpus())
    return total


def of_task(task):
    """Return the struct mm_struct * of @task (struct task_struct *), None for a kernel thread."""
    space = task["mm"]
    return space if int(space) else None


def spaces():
    """Return [(mm, task)]: every address space once, with the first task found that has it.

    An exiting task has none any more; init_mm, the kernel's own, is not in it.
    """
    seen, found = set(), []
    for task in sched.tasks():
        space = of_task(task)
        if space is not None and int(space) not in seen:
            seen.add(int(space))
            found.append((space, task))
    return found


def flags_of(vma):
    """Return the flags (int) of @vma (struct vm_area_struct *): vm_flags."""
    flags = vma["vm_flags"]
    if flags.type.strip_typedefs().code == gdb.TYPE_CODE_INT:
        return int(flags)
    return int(gdb.Value(int(flags.address)).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def vmas(mm):
    """Return the VMAs (list of Vma) of @mm (struct mm_struct *), by address."""
    pointer = gdb.lookup_type("struct vm_area_struct").pointer()
    return [_vma(gdb.Value(entry).cast(pointer)) for _, _, entry in maple.entries(mm["mm_mt"])]


def find_vma(mm, address):
    """Return the Vma of @mm (struct mm_struct *) that holds @address (int), or None: vma_lookup()."""
    entry = maple.load(mm["mm_mt"], address)
    if not entry:
        return None
    return _vma(gdb.Value(entry).cast(gdb.lookup_type("struct vm_area_struct").pointer()))


def _vma(value):
    return Vma(int(value["vm_start"]), int(value["vm_end"]), flags_of(value), value)


def permissions(vma):
    """Return the permissions of @vma (Vma) as /proc/PID/maps has them: "rw-p"."""
    return "".join((
        "r" if vma.flags & _READ else "-", "w" if vma.flags & _WRITE else "-",
        "x" if vma.flags & _EXEC else "-", "s" if vma.flags & _SHARED else "p"))


def name(vma):
    """Return what @vma (Vma) maps: a file's path, "[heap]", "[stack]", "anonymous"..."""
    file = vma.value["vm_file"]
    if int(file):
        return path_of(file)
    space = vma.value["vm_mm"]
    if vma.start <= int(space["brk"]) and vma.end >= int(space["start_brk"]) > 0:
        return "[heap]"
    if vma.start <= int(space["start_stack"]) <= vma.end:
        return "[stack]"
    return _special_name(vma) or "anonymous"


def _special_name(vma):
    """The name of a mapping that the kernel makes itself, such as "[vdso]"; None if @vma is none."""
    operations = gdb.lookup_static_symbol("special_mapping_vmops")
    if operations is None or int(vma.value["vm_ops"]) != int(operations.value().address):
        return None
    mapping = gdb.lookup_type("struct vm_special_mapping").pointer()
    return vma.value["vm_private_data"].cast(mapping)["name"].string(errors="replace")


def describe(vma):
    """Return @vma (Vma) in one line: '0x40000000-0x40200000 rw-p anonymous'."""
    locked = " locked" if vma.flags & _LOCKED else ""
    return f"{vma.start:#x}-{vma.end:#x} {permissions(vma)} {name(vma)}{locked}"


def path_of(file):
    """Return the path (str) of @file (struct file *) from the root of its file system."""
    path = file["f_path"] if lists.has_field(file.type.target(), "f_path") else file["__f_path"]
    dentry, parts = path["dentry"], []
    for _ in range(256):  # deeper than any path; a loop of parents ends here
        parent = dentry["d_parent"]
        if int(parent) == int(dentry):
            # A file outside of any tree, such as a memfd, is a root with a name of its own.
            parts += [part for part in (_name_of(dentry),) if part != "/"]
            break
        parts.append(_name_of(dentry))
        dentry = parent
    return "/" + "/".join(reversed(parts))


def _name_of(dentry):
    qstr = dentry["d_name"] if lists.has_field(dentry.type.target(), "d_name") else dentry["__d_name"]
    return qstr["name"].string(errors="replace")
