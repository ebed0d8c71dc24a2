"""What is done on a page, and what it says."""


def press(app, label):
    """The one button that is called so."""
    (button,) = [b for b in app.button if b.label == label]
    button.click().run()
    assert not app.exception
    return app


def told(app):
    """All that is said on a page; Markdown without its escapes."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")
