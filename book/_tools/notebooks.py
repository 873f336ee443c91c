"""Write notebooks that read well in plain JupyterLab, outputs included.

JupyterLab knows nothing of MyST: theorem and exercise boxes become block quotes,
included formulas code, references links, glued numbers text. Explorables are
replaced by their still until the cell is run.
Use: python book/_tools/notebooks.py FOLDER
"""

import ast
import re
import runpy
import shutil
import sys
from pathlib import Path

import jupytext
import nbformat
from execute import CACHE, pages
from jupyter_cache import get_cache
from pybtex.database import BibliographyData, parse_file
from source import MARKDOWN, ROOT, Page, split, toc

FORMULA = runpy.run_path(str(ROOT / "book" / "_extensions" / "formula.py"))
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
EQUATION = re.compile(r"\$\$[ \t]*\(([^)\s]+)\)[ \t]*$", re.M)


class Index:
    """Titles, labels and numbers of all pages, so that references resolve."""

    def __init__(self) -> None:
        self.pages = [Page(ROOT / f"{name}.md") for name in toc()]
        self.page_of: dict[str, Page] = {}
        self.text_of: dict[str, str] = {}
        for page in self.pages:
            self.text_of[self.address(page)] = page.headings[0][1]
            self.page_of[self.address(page)] = page
            for label in page.labels:
                self.page_of[label] = page
            for each in page.directives:
                if each.label:
                    self.text_of[each.label] = each.argument or each.name
            for number, label in enumerate(EQUATION.findall(page.prose), 1):
                self.text_of[label] = f"({number})"
            for label, heading in re.findall(
                r"^\(([^)\s]+)\)=\s*\n#+ (.*)", page.prose, re.M
            ):
                self.text_of[label] = heading
        self.bibliography: BibliographyData = parse_file(
            str(ROOT / "book" / "references.bib")
        )

    @staticmethod
    def address(page: Page) -> str:
        """Path of a page below `book`, without ending."""
        return page.path.relative_to(ROOT / "book").with_suffix("").as_posix()

    def link(self, label: str, text: str, page: Page) -> str:
        """Markdown link from `page` to the page that holds `label`."""
        target = self.page_of[label]
        text = text or self.text_of.get(label, label)
        if target is page or not target.cells:
            return text
        depth = "../" * self.address(page).count("/")
        return f"[{text}]({depth}{self.address(target)}.ipynb)"

    def citation(self, key: str) -> str:
        """`Author and Author (year)` of an entry of the bibliography."""
        entry = self.bibliography.entries[key]
        names = [" ".join(person.last_names) for person in entry.persons["author"]]
        who = names[0] + " et al." if len(names) > 2 else " and ".join(names)
        return f"{who} ({entry.fields['year']})".replace("{", "").replace("}", "")


class Converter:
    """Turns the Markdown of one page into what plain JupyterLab shows."""

    def __init__(self, page: Page, index: Index, glued: dict[str, str]) -> None:
        self.page, self.index, self.glued = page, index, glued

    def convert(self, text: str) -> str:
        """Convert the text of a cell: directives first, then roles."""
        lines = text.split("\n")
        for token in reversed(MARKDOWN.parse(text)):
            match = re.match(r"\{([\w:.-]+)\}[ \t]*(.*)", token.info)
            if token.type in ("fence", "colon_fence") and match and token.map:
                start, end = token.map
                options, body = split(token.content)
                shown = self.directive(match[1], match[2].strip(), options, body)
                lines[start:end] = shown.split("\n")
        text = "\n".join(lines)
        text = re.sub(r"^\([^)\s]+\)=\s*$", "", text, flags=re.M)
        text = EQUATION.sub(
            lambda m: rf"\tag{{{self.index.text_of[m[1]].strip('()')}}}$$", text
        )
        return ROLE.sub(lambda m: self.role(*m.groups()), text)

    def directive(self, name: str, argument: str, options: dict, body: str) -> str:
        """One directive as a block quote, code, details or a displayed equation."""
        if name == "formula":
            module = options.get("module", f"theory.{argument}")
            file = ROOT.joinpath("lib/learndyn", f"{module.replace('.', '/')}.py")
            code = FORMULA["without_docstring"](
                file.read_text("utf-8"), options["pyobject"]
            )
            return f"```python\n# learndyn.{module}\n{code}\n```"
        if name == "math":
            return f"$$\n{body}\n$$"
        if name in ("raw", "claims-ledger", "run-times"):
            return ""
        body = self.convert(body).strip()
        folded = name == "dropdown" or "dropdown" in options.get("class", "")
        if folded:
            return f"<details><summary>{argument}</summary>\n\n{body}\n\n</details>"
        if name == "solution":
            argument = self.index.text_of.get(argument, argument)
        title = name.removeprefix("prf:").capitalize()
        if name in ("admonition", "card"):
            title, argument = argument, ""
        kind = options.get("class", "")
        heading = f"**{title}{f' ({argument})' if argument else ''}.**"
        if name.startswith("prf:") and kind:
            heading += f" *{kind}*"
        quoted = [f"> {line}".rstrip() for line in f"{heading}\n\n{body}".split("\n")]
        return "\n".join(quoted)

    def role(self, name: str, content: str) -> str:
        """One role as a link or as text."""
        if match := re.fullmatch(r"(.*?)\s*<([^>]+)>", content, re.S):
            text, target = match.groups()
        else:
            text, target = "", content
        if name == "doc":
            path = (self.page.path.parent / target).resolve().relative_to(ROOT / "book")
            return self.index.link(path.as_posix(), text, self.page)
        if name in ("ref", "eq", "prf:ref", "numref"):
            return self.index.link(target, text, self.page)
        if name.startswith("cite"):
            cited = [self.index.citation(key.strip()) for key in content.split(",")]
            return "; ".join(cited)
        if name.startswith("glue"):
            return self.glued[content.split(":")[0]]
        return text or content

    def references(self) -> str:
        """Bibliography of the page, one line an entry."""
        found = re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", self.page.text)
        keys = dict.fromkeys(key.strip() for each in found for key in each.split(","))
        lines = []
        for key in keys:
            fields = self.index.bibliography.entries[key].fields
            where = fields.get("journal") or fields.get("booktitle", "")
            number = fields.get("eprint", "")
            details = ", ".join(filter(None, [where, number and f"arXiv:{number}"]))
            title = re.sub(r"[{}]", "", fields["title"])
            lines.append(f"- {self.index.citation(key)}. *{title}*. {details}.")
        return "## References\n\n" + "\n".join(lines) if lines else ""


def glued(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Values that cells have glued, by name."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if name:
                text = next(
                    value
                    for mime, value in output.data.items()
                    if mime.endswith("text/plain")
                )
                found[name] = str(ast.literal_eval(text))
    return found


def readable(output: nbformat.NotebookNode) -> nbformat.NotebookNode | None:
    """An output as a notebook shows it: no glued values, explorables stand still."""
    if output.get("metadata", {}).get("scrapbook"):
        return None
    html = output.get("data", {}).get("text/html", "")
    if 'class="explorable' in html:
        still = re.search(r"data:image/png;base64,([^\"']+)", html)
        if not still:
            raise ValueError("an explorable has no still")
        data = {"image/png": still[1], "text/plain": "Run this cell: it moves."}
        return nbformat.v4.new_output("display_data", data=data)
    return output


def notebook(path: Path, index: Index) -> nbformat.NotebookNode:
    """The notebook of one page, with the outputs of its last execution."""
    name = path.relative_to(ROOT / "book").with_suffix("").as_posix()
    page = index.page_of[name]
    written = jupytext.read(path)
    _, executed = get_cache(CACHE).merge_match_into_notebook(written)
    converter = Converter(page, index, glued(executed))
    cells = []
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            cell.source = converter.convert(cell.source)
            cells.append(nbformat.v4.new_markdown_cell(cell.source))
            continue
        outputs = [readable(each) for each in cell.outputs]
        tags = {"tags": cell.metadata["tags"]} if "tags" in cell.metadata else {}
        code = nbformat.v4.new_code_cell(
            cell.source, outputs=[each for each in outputs if each], metadata=tags
        )
        cells.append(code)
        caption = cell.metadata.get("mystnb", {}).get("figure", {}).get("caption")
        if caption:
            text = f"*Figure.* {converter.convert(caption)}"
            cells.append(nbformat.v4.new_markdown_cell(text))
    if references := converter.references():
        cells.append(nbformat.v4.new_markdown_cell(references))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # stable, so that rebuilt files are identical
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(made)
    return made


def main() -> None:
    """Write every page with code below the folder named on the command line."""
    folder, index = Path(sys.argv[1]), Index()
    for path in pages():
        target = folder / path.relative_to(ROOT / "book").with_suffix(".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook(path, index), target)
        for kept in path.parent.glob(f"{path.stem}.npz"):  # a stored run
            shutil.copy(kept, target.parent)


if __name__ == "__main__":
    main()
