"""The public page on which anybody checks a document: by the code at its foot, or by the file. It shows nothing personal.

Codes that lead nowhere are counted by address, like failed sign-ins, so that codes cannot be tried by the thousand.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from tideover.core import sign_in
from tideover.core.documents import document_verify
from tideover.core.documents.kinds import label_of

FILE_MAX = 10 * 2**20
GUESS = "verify"


def page(request: HttpRequest) -> HttpResponse:
    """Ask for a code or a file, and say what it is. `?code=`: from the square code that is printed on the document."""
    code = request.GET.get("code", "")
    if request.method != "POST" and not code.strip():
        return render(request, "web/verify.html", {})
    address = sign_in.address_of(request)
    if opens_at := sign_in.guesses_wait_until(GUESS, address):
        words = _("Too many codes did not lead anywhere. Try again at %(time)s.") % {"time": f"{localtime(opens_at):%H:%M}"}
        return render(request, "web/verify.html", {"problem": words}, status=429)
    typed, file = request.POST.get("code", code).strip()[:60], request.FILES.get("file")
    if file is not None and (file.size or 0) > FILE_MAX:
        return _asked_again(request, typed, _("The file is larger than 10 MB. Ours are smaller: type the code instead."))
    if file is None and not typed:
        return _asked_again(request, typed, _("Type the code at the foot of the document, or choose the file"))
    said = document_verify(file.read() if file is not None else typed)
    if said.state == "unknown":
        sign_in.guess_failed(GUESS, address)
    return render(request, "web/verify.html", {"said": said, "typed": typed, "kind": label_of(said.kind)})


def _asked_again(request: HttpRequest, typed: str, problem: str) -> HttpResponse:
    return render(request, "web/verify.html", {"problem": problem, "typed": typed}, status=422)
