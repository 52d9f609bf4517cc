# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for CUDA's libraries: what the tools say is read rightly, and the stand-ins offer what is wanted."""

from __future__ import annotations

import stub_cuda

DYNAMIC = """
Dynamic section at offset 0x23d98 contains 27 entries:
  Tag                Type                 Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libc10_cuda.so]
 0x0000000000000001 (NEEDED)             Shared library: [libcublas.so.13]
 0x000000000000000e (SONAME)             Library soname: [libtorch_cuda.so]
 0x000000000000001d (RUNPATH)            Library runpath: [$ORIGIN]
"""
VERSIONS = """
Version symbols section '.gnu.version' contains 3 entries:
  000:   0 (*local*)       2 (libcublas.so.13)   1 (*global*)

Version definition section '.gnu.version_d' contains 1 entry:
  000000: Rev: 1  Flags: BASE  Index: 1  Cnt: 1  Name: libtorch_cuda.so

Version needs section '.gnu.version_r' contains 2 entries:
  000000: Version: 1  File: libcublas.so.13  Cnt: 2
  0x0010:   Name: libcublas.so.13  Flags: none  Version: 2
  0x0020:   Name: libcublas.so.13.1  Flags: none  Version: 4
  0x0030: Version: 1  File: libc.so.6  Cnt: 1
  0x0040:   Name: GLIBC_2.34  Flags: none  Version: 6
"""
SYMBOLS = """\
                 U cublasCreate_v2@libcublas.so.13
                 U cublasDestroy_v2@libcublas.so.13
                 U cuLaunchKernel
                 U ncclAllReduce
                 U malloc@GLIBC_2.2.5
                 U culture_is_no_function_of_cuda
                 w __gmon_start__
"""


def test_needed_libraries_are_read_and_other_entries_are_not():
    assert stub_cuda.parse_needed(DYNAMIC) == {"libc10_cuda.so", "libcublas.so.13"}


def test_versions_are_read_by_the_library_that_must_have_them():
    assert stub_cuda.parse_versions(VERSIONS) == {
        "libcublas.so.13": {"libcublas.so.13", "libcublas.so.13.1"},
        "libc.so.6": {"GLIBC_2.34"},
    }


def test_functions_of_cuda_are_read_by_their_version_and_those_of_others_are_not():
    assert stub_cuda.parse_symbols(SYMBOLS) == {
        "libcublas.so.13": {"cublasCreate_v2", "cublasDestroy_v2"},
        "": {"cuLaunchKernel", "ncclAllReduce"},
    }


def test_every_function_of_a_stand_in_aborts():
    assert stub_cuda.render_stub({"cuInit", "cuFree"}) == (
        "void cuFree(void) { __builtin_trap(); }\nvoid cuInit(void) { __builtin_trap(); }\n"
    )


def test_the_linkers_script_puts_functions_into_versions_and_keeps_versions_without_functions():
    symbols = stub_cuda.parse_symbols(SYMBOLS)
    assert stub_cuda.render_map({"libcublas.so.13", "libcublas.so.13.1"}, symbols) == (
        "libcublas.so.13 { global: cublasCreate_v2; cublasDestroy_v2; };\nlibcublas.so.13.1 { global: __none; };\n"
    )


def test_only_libraries_that_do_nothing_while_they_load_get_stand_ins():
    names = [
        "libcublasLt.so.13",
        "libcudnn.so.9",
        "libnvJitLink.so.13",
        "libcudart.so.13",
        "libcupti.so.13",
        "libc.so.6",
    ]
    assert [name for name in names if stub_cuda.LIBRARY.match(name)] == names[:3]
